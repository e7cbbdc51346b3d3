"""A loopback API server whose pods are real processes in network namespaces.

`python -m testbed.demo` runs it for people, `DemoCluster.start()` for programs.
"""

from __future__ import annotations

from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.demo.modes import Mode

__all__ = ["DemoCluster", "Fault", "Kind", "Mode"]
