"""pytest fixtures of the demo cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from testbed.demo.cluster import DemoCluster


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoCluster]:
    """One demo cluster for the whole run. Tests that set faults or change objects of others take `demo_factory`."""
    with DemoCluster.start() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def demo_factory() -> Callable[..., AbstractContextManager[DemoCluster]]:
    """Starts a demo cluster of one's own in half a second; use its result in a `with` block."""
    return DemoCluster.start
