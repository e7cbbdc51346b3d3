"""pytest fixtures: `tshark` for every version, `tshark_native` for the machine's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.wireshark import build, release, room
from testbed.wireshark.desk import desk
from testbed.wireshark.tshark import Tshark


def enter(version: str) -> room.Room:
    """The room of that version, built when it is missing; the test is skipped where it cannot be."""
    if there := room.find(version):
        return there
    if reason := room.missing():
        pytest.skip(f"No Wireshark {version}: it is not this machine's own, and {reason}.")
    return build.make(version)


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.tshark) for version in release.versions()])
def tshark(request: pytest.FixtureRequest) -> Iterator[Tshark]:
    """Each tshark in turn, with a fresh home folder."""
    with desk(enter(request.param)) as fresh:
        yield Tshark(fresh)


@pytest.fixture
def tshark_native() -> Iterator[Tshark]:
    """The machine's own tshark, with a fresh home folder; mark the test `tshark`."""
    own = release.native()
    if not own:
        pytest.skip("tshark is not installed on this machine.")
    with desk(enter(own)) as fresh:
        yield Tshark(fresh)
