"""pytest fixtures: `tshark` and `gui` for every version, `tshark_native` for the machine's own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest

from testbed.wireshark import build, dependencies, display, release, room
from testbed.wireshark.desk import Desk, desk
from testbed.wireshark.tshark import Tshark
from testbed.wireshark.window import Window, window

FAILURES = pytest.StashKey[dict[str, str]]()  # why a version could not be made
BARE = pytest.StashKey[dict[str, str]]()  # why there are no dependencies for a version's Python
FAILED = pytest.StashKey[bool]()  # whether a test did


def pytest_collection_finish(session: pytest.Session) -> None:
    """Makes what the chosen tests want before the first of them, where no test's time limit counts."""
    if session.config.option.collectonly:
        return
    specs = [spec for item in session.items if (spec := getattr(item, "callspec", None))]
    wanted = {spec.params[name] for spec in specs for name in ("tshark", "gui") if name in spec.params}
    if any("tshark_native" in getattr(item, "fixturenames", ()) for item in session.items):
        wanted |= {release.native()} - {None}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    for version in sorted(wanted):
        with capture.global_and_fixture_disabled():
            _prepare(version, session.config)


def _prepare(version: str, config: pytest.Config) -> None:
    there = room.find(version)
    if not there and (room.missing() or _unbuilt()):
        return
    if not there:
        print(f"\nmaking Wireshark {version}", flush=True)
        try:
            there = build.make(version)
        except RuntimeError as error:
            config.stash.setdefault(FAILURES, {})[version] = str(error)
            return
    try:
        dependencies.environment(there)
    except (RuntimeError, subprocess.SubprocessError) as error:
        config.stash.setdefault(BARE, {})[version] = str(error)


def enter(version: str, config: pytest.Config) -> room.Room:
    """The room of that version; the test is skipped, with the reason, where there is none."""
    if problem := config.stash.get(BARE, {}).get(version):
        pytest.fail(problem)
    if there := room.find(version):
        return there
    if reason := room.missing():
        pytest.skip(f"No Wireshark {version}: it is not this machine's own, and {reason}.")
    if failure := config.stash.get(FAILURES, {}).get(version):
        pytest.skip(failure)
    pytest.skip(f"Wireshark {version} is not made yet: python -m testbed.wireshark make {version}")


def _unbuilt() -> bool:
    """The fast suite builds nothing; a build may be going on beside it."""
    return os.environ.get("K8S_EXTCAP_BUILD") == "no"


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.tshark) for version in release.versions()])
def tshark(request: pytest.FixtureRequest) -> Iterator[Tshark]:
    """Each tshark in turn, with a fresh home folder."""
    with desk(enter(request.param, request.config)) as fresh:
        yield Tshark(fresh)


@pytest.fixture
def tshark_native(request: pytest.FixtureRequest) -> Iterator[Tshark]:
    """The machine's own tshark, with a fresh home folder; mark the test `tshark`."""
    own = release.native()
    if not own:
        pytest.skip("tshark is not installed on this machine.")
    with desk(enter(own, request.config)) as fresh:
        yield Tshark(fresh)


@contextmanager
def gui_desk(version: str, config: pytest.Config) -> Iterator[Desk]:
    """A fresh desk for a window of that version, or a skip that says what is missing."""
    if packages := display.missing():
        pytest.skip(f"No Wireshark window on this machine: apt-get install {packages}")
    there = enter(version, config)
    if not there.has("wireshark"):
        pytest.skip(f"No Wireshark {version} window: only its tshark is installed. apt-get install wireshark")
    with desk(there) as fresh:
        yield fresh


@dataclass(frozen=True)
class Gui:
    """`desk` is set up first (an extcap, files, preferences); `open` starts Wireshark, which ends with the test."""

    desk: Desk
    stack: ExitStack
    opened: list[Window] = field(default_factory=list)

    @property
    def version(self) -> str:
        return self.desk.version

    def offline(self) -> Gui:
        """The same desk in a network with nothing but `lo`."""
        return replace(self, desk=replace(self.desk, offline=True))

    def open(self, *args: str, env: Mapping[str, str] | None = None) -> Window:
        self.opened.append(self.stack.enter_context(window(self.desk, *args, env=env)))
        return self.opened[-1]

    def tell(self, name: str) -> None:
        """What there is to see after a failure: the ends of all logs at the desk, and a picture of each window."""
        for log in (self.desk.case / "wireshark.log", *self.desk.home.rglob("*.log")):
            if log.exists():
                print(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}")
        for process, line in self.desk.processes().items():
            print(f"--- process {process}: {line}")
        for number, each in enumerate(self.opened):
            print(f"--- {each.picture(release.folder() / 'failures' / f'{name}-{number}.png')}")


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.gui) for version in release.versions()])
def gui(request: pytest.FixtureRequest) -> Iterator[Gui]:
    """Each Wireshark window in turn."""
    with gui_desk(request.param, request.config) as fresh, ExitStack() as stack:
        used = Gui(fresh, stack)
        yield used
        if request.node.stash.get(FAILED, False):
            used.tell(re.sub(r"\W+", "-", request.node.name))


def windows() -> list[str]:
    """What long tests are run in: the newest window, with K8S_EXTCAP_TEST_WINDOWS=all every one."""
    every = [release.version for release in release.RELEASES]
    return every if os.environ.get("K8S_EXTCAP_TEST_WINDOWS") == "all" else every[-1:]


# For such a test, above its `gui`.
long = pytest.mark.parametrize(
    "gui", [pytest.param(version, marks=pytest.mark.gui) for version in windows()], indirect=True
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, object, object]:
    """Lets the fixture know how its test ended."""
    item.stash[FAILED] = call.when == "call" and call.excinfo is not None
    return (yield)
