"""pytest plugin: splits the suite into phases and writes down every outcome, so that several runs give one account.

The phase `fast` leaves out what needs the real cluster, a real Wireshark or more than ten seconds. The phase `rest`
takes everything that has no outcome yet: what was left out, and whatever a fast run skipped because something was still
being built beside it. Several runs share out a phase: the fast one file by file, each taking the next that nobody has;
of the rest one has the real cluster, the other what does without. The phase `again` gives what failed a second try,
alone: a machine that was too busy for a test's time limit is told from a defect, and both are told to the reader.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AGAIN = "passed only at the second try"
LEFT_OUT_OF_FAST = ("cluster", "gui", "slow", "tshark")  # the last starts in 0.3 s of CPU, and dumpcap with it


class Outcome(NamedTuple):
    """One line of the ledger. `word` is passed, failed, skipped or left-out; `reason` is for the last two, and AGAIN
    for what passed at its second try.
    """

    test: str
    word: str
    reason: str = ""
    seconds: float = 0.0  # with set-up and teardown; what tests share counts for the first of them


def read(path: Path) -> dict[str, Outcome]:
    """The last outcome of every test; an empty mapping when nothing was written yet."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {outcome.test: outcome for outcome in (Outcome(*json.loads(line)) for line in lines)}


def count(outcomes: Iterable[Outcome]) -> Counter[str]:
    return Counter(outcome.word for outcome in outcomes)


class Ledger:
    """Collects the reports of each test and writes one line when its teardown is over."""

    def __init__(self, path: Path, phase: str, share: str) -> None:
        self.path = path
        self.phase = phase
        number, shares = share.split("/")
        self.number, self.shares = int(number) - 1, int(shares)
        self.current: dict[str, Outcome] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def write(self, outcome: Outcome) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        known = read(self.path)
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            (kept if self.wanted(item, known) else dropped).append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)

    def wanted(self, item: pytest.Item, known: dict[str, Outcome]) -> bool:
        if self.phase == "again":
            return item.nodeid in known and known[item.nodeid].word == "failed"
        if self.phase == "rest":
            mine = self.shares == 1 or self.number == (0 if needs_cluster(item) else 1)
            return mine and (item.nodeid not in known or known[item.nodeid].word in ("skipped", "left-out"))
        reason = left_out(item)
        if reason and self.number == 0:
            self.write(Outcome(item.nodeid, "left-out", reason))
        return not reason

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Of a phase that is shared out file by file: the files that this run is the first to take (compare
        _pytest.main.pytest_runtestloop, which does the same with all).
        """
        if self.phase != "fast" or self.shares == 1 or session.testsfailed or session.config.option.collectonly:
            return None
        taken = self.taken(session.items)
        item = next(taken, None)
        while item is not None:
            following = next(taken, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def taken(self, items: list[pytest.Item]) -> Iterator[pytest.Item]:
        """By file, so that what a file's tests share is set up once; those with processes first, as a run that takes
        one last lets the other wait.
        """
        claims = self.path.with_suffix(".claims")
        claims.mkdir(exist_ok=True)
        files = [(path, list(tests)) for path, tests in groupby(items, key=lambda item: item.path)]
        for path, tests in sorted(files, key=lambda entry: "unit" in entry[0].parts):
            try:
                name = "-".join(path.relative_to(tests[0].config.rootpath).with_suffix(".taken").parts)
                (claims / name).touch(exist_ok=False)
            except FileExistsError:
                continue
            yield from tests

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        worst = self.current.get(report.nodeid)
        if report.failed:
            self.current[report.nodeid] = Outcome(report.nodeid, "failed")
        elif report.skipped and not hasattr(report, "wasxfail"):
            self.current[report.nodeid] = Outcome(report.nodeid, "skipped", reason_of(report))
        elif worst is None:
            self.current[report.nodeid] = Outcome(report.nodeid, "passed", AGAIN if self.phase == "again" else "")
        self.seconds[report.nodeid] += report.duration
        if report.when == "teardown":
            seconds = round(self.seconds.pop(report.nodeid), 3)
            self.write(self.current.pop(report.nodeid)._replace(seconds=seconds))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write(Outcome(report.nodeid or "collection", "failed"))
        elif report.skipped:
            self.write(Outcome(report.nodeid, "skipped", reason_of(report)))


def needs_cluster(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("cluster")) or "cluster" in getattr(item, "fixturenames", ())


def left_out(item: pytest.Item) -> str:
    """Why the fast phase leaves a test out; empty if it does not."""
    for name in LEFT_OUT_OF_FAST:
        if item.get_closest_marker(name):
            return f"marked {name}"
    return "marked tshark" if "tshark_native" in getattr(item, "fixturenames", ()) else ""


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ledger")
    group.addoption("--ledger", type=Path, help="file that every outcome is appended to")
    group.addoption("--share", default="1/1", metavar="N/M", help="the Nth of M runs that share the phase out")
    group.addoption("--phase", choices=("fast", "rest", "again"), default="fast", help="which part of the suite to run")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--ledger")
    if path is not None:
        config.pluginmanager.register(
            Ledger(path, config.getoption("--phase"), config.getoption("--share")), "ledger-writer"
        )
