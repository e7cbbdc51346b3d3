"""Fixtures of the test bed: the demo cluster, the real cluster, the real Wiresharks, links for numbered packets."""

from hypothesis import HealthCheck, settings

# No test judges by time: a busy machine is no reason to fail.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

pytest_plugins = [
    "testbed.demo.fixtures",
    "testbed.cluster.fixtures",
    "testbed.wireshark.fixtures",
    "testbed.truth.fixtures",
]
