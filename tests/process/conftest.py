"""What several tests of this folder share: a demo cluster of a module's own, and the real tshark in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from payload import build
from testbed.demo.cluster import DemoCluster
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.stage import Stage


@pytest.fixture(scope="module")
def own(demo_factory: Callable[..., AbstractContextManager[DemoCluster]]) -> Iterator[DemoCluster]:
    """A demo cluster that this module may set faults in and change."""
    with demo_factory() as cluster:
        yield cluster


@pytest.fixture
def payload() -> None:
    """For tests that upload: they wait, skipped, for the binaries to be built."""
    if not (build.package_bin() / "manifest.json").exists():
        pytest.skip("The payload is not built: python -m payload.build")


@pytest.fixture
def stage(tshark_native: Tshark, own: DemoCluster) -> Iterator[Stage]:
    """tshark at a desk whose kubeconfig leads to `own`; without any fault afterwards."""
    made = Stage(tshark_native)
    made.config(own.kubeconfig)
    yield made
    own.clear_faults()
