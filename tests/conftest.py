"""Fixtures of the test bed: the demo cluster, the real cluster, the real Wiresharks."""

pytest_plugins = [
    "testbed.demo.fixtures",
    "testbed.cluster.fixtures",
    "testbed.wireshark.fixtures",
]
