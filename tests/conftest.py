"""Fixtures of the test bed: the demo cluster, the real cluster, the real Wiresharks, links for numbered packets."""

pytest_plugins = [
    "testbed.demo.fixtures",
    "testbed.cluster.fixtures",
    "testbed.wireshark.fixtures",
    "testbed.truth.fixtures",
]
