"""python -m testbed.matrix [run [PART...] [--only TEXT] [--again | --missing] [--bed N] [--jobs N] | report]"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.cluster.bed import Bed, default_bed
from testbed.cluster.errors import BedError
from testbed.cluster.lock import only_one
from testbed.matrix import accounting, idle, kill, long, methods, report, results, rings, stops, versions
from testbed.matrix.pods import PREFIX
from testbed.matrix.results import Cell, Outcome, Result
from testbed.matrix.site import Site, site

PARTS = {part.NAME: part for part in (methods, idle, stops, accounting, kill, long, versions)}
NAMES = (*PARTS, *rings.MANY)
JOBS = 12  # captures at once: they mostly wait; five start at the same moment


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.matrix",
        description="What is larger than script/test, on the real cluster, cell by cell; see docs/reliability.md.",
    )
    parser.add_argument("--file", type=Path, default=results.default_file(), help="the results, as JSON lines")
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="run the cells that have no result for this commit, then write the reports")
    run.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(NAMES)}; default: all")
    run.add_argument("--only", action="append", default=[], metavar="TEXT", help="cells with TEXT in their name")
    run.add_argument("--again", action="store_true", help="also those that have a result for this commit")
    run.add_argument("--missing", action="store_true", help="only those that have no result of any commit")
    run.add_argument("--bed", type=int, metavar="N", help="another bed than bed 0, whose parts may be stopped")
    run.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"captures at once, default {JOBS}")
    commands.add_parser("report", help="write docs/compatibility.md and docs/reliability.md from the results")
    chosen = parser.parse_args(argv)
    if chosen.command is None:
        chosen = parser.parse_args([*(sys.argv[1:] if argv is None else argv), "run"])
    for part in getattr(chosen, "parts", ()):
        if part not in NAMES:
            parser.error(f"there is no part {part!r}: {', '.join(NAMES)}")
    return chosen


@contextmanager
def alone() -> Iterator[None]:
    """One run at a time in one space: two would find each other's captures and call them leftovers."""
    with only_one(results.default_file().with_name(f"{PREFIX}.lock"), wait=1):
        yield


def run(options: argparse.Namespace) -> int:
    """Gives the number of failed cells. The commit is asked for at each cell: a run takes an hour, people commit."""
    failed = 0
    bed = default_bed() if options.bed is None else Bed(default_bed().root, options.bed)
    with alone(), site(bed) as place:
        for name in options.parts or NAMES:
            if name in rings.MANY:
                failed += many(options, place, name)
                continue
            for cell in PARTS[name].cells(place):
                key, commit = results.key(name, cell.what), results.commit()
                if not all(text in key for text in options.only) or done(options, key, commit):
                    continue
                result = one(place, name, cell, commit)
                keep(options, result)
                if result.verdict == "failed":
                    failed += 1
                    place.scrub()
    return failed


def many(options: argparse.Namespace, place: Site, name: str) -> int:
    """The same for a part whose cells run many at once: it tells each as it ends."""
    commit, known = results.commit(), results.read(options.file)
    failed = []

    def wanted(part: str, what: dict[str, str]) -> bool:
        key = results.key(part, what)
        return all(text in key for text in options.only) and not done(options, key, commit, known)

    def tell(part: str, what: dict[str, str], node: str, outcome: Outcome, seconds: float) -> None:
        told = {"kubernetes": place.kubernetes}
        if node:
            told |= {"kubelet": place.kubelet(node), "runtime": place.runtime(node)}
        figures = dict(outcome.figures)
        keep(
            options,
            Result(part, what, outcome.verdict, outcome.sentence, round(seconds, 1), commit, now(), told, figures),
        )
        failed.extend([what] * (outcome.verdict == "failed"))

    rings.MANY[name](place, wanted, tell, options.jobs)
    return len(failed)


def keep(options: argparse.Namespace, result: Result) -> None:
    results.append(options.file, result)
    print(f"{result.verdict:8} {result.seconds:6.1f} s  {result.key}  {result.sentence[:150]}", flush=True)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def done(options: argparse.Namespace, key: str, commit: str, known: Sequence[Result] | None = None) -> bool:
    """Whether the file has that cell's result already, from this run, an earlier one or a killed one."""
    if options.again:
        return False
    every = results.read(options.file) if known is None else known
    found = (r for r in every if r.key == key and r.verdict != "not run")
    return any(options.missing or r.commit == commit for r in found)


def one(place: Site, part: str, cell: Cell, commit: str) -> Result:
    began = time.monotonic()
    try:
        outcome = cell.run()
    except Exception as error:  # one cell must not end the run; what went wrong is its result
        outcome = Outcome("failed", f"the matrix itself: {type(error).__name__}: {error}"[:400])
    node = cell.what.get("node", "")
    told = {"kubernetes": cell.what.get("kubernetes", place.kubernetes)}
    if node and "kubernetes" not in cell.what:
        told |= {"kubelet": place.kubelet(node), "runtime": place.runtime(node)}
    seconds = round(time.monotonic() - began, 1)
    figures = dict(outcome.figures)
    return Result(part, dict(cell.what), outcome.verdict, outcome.sentence, seconds, commit, now(), told, figures)


def main() -> int:
    options = arguments()
    # A shell starts what is behind `&` with SIGINT ignored; both signals end the run and clear its namespaces.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        failed = run(options) if options.command == "run" else 0
        report.write(results.read(options.file))
    except BedError as error:
        print(f"matrix: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("matrix: interrupted; the same command goes on where this one was", file=sys.stderr)
        return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
