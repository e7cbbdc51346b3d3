"""python -m bench [PART ...] [--runs N] [--json FILE] [--page FILE]

Ratios in one run against `kubectl` on the real cluster, a bare interpreter, and a tshark without us. All parts take a
quarter of an hour. Each table goes to docs/benchmarks.md as soon as it is there; what fails is named and left out, and
the rest goes on. `start`, `delay` and `bulk` need the test bed: python -m testbed.cluster up
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import bed, hot, loopback, measure, page, start, stream
from bench.table import Table

Work = Callable[[], Table]

PARTS = ("calls", "scan", "lo", "start", "delay", "bulk")


def works(chosen: list[str], runs: int) -> Iterator[tuple[str, Work]]:
    """Name and maker of each table. The pods are there while they are asked for."""
    if "calls" in chosen:
        yield "calls", lambda: hot.calls(runs)
    if "scan" in chosen:
        yield "scan", lambda: hot.scan(runs)
    if "lo" in chosen:
        yield "lo", lambda: loopback.loopback(runs)
    if not {"start", "delay", "bulk"} & set(chosen):
        return
    real = bed.cluster()
    with bed.places(real) as places:
        if "start" in chosen:
            yield "start", lambda: start.first_packet(real, places, runs)
        for part, make in (("delay", stream.delays), ("bulk", stream.bulk)):
            for place in places if part in chosen else ():
                yield f"{part} {place.pod.node}", lambda make=make, place=place: make(real, place, runs)  # type: ignore[misc]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios; see docs/benchmarks.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {' '.join(PARTS)}")
    parser.add_argument("--runs", type=int, default=measure.RUNS)
    parser.add_argument("--json", type=Path, help="the tables for programs")
    parser.add_argument("--page", type=Path, default=page.PAGE, help="where the tables go")
    args = parser.parse_args()
    chosen = [part for part in PARTS if part in args.parts or args.parts in ([], ["all"])]
    if unknown := set(args.parts) - {*PARTS, "all"}:
        parser.error(f"no part {' '.join(sorted(unknown))}; there are {' '.join(PARTS)}")
    python = f"Python {platform.python_version()}, Linux {platform.release()}"
    done, failed = [], []
    for name, make in works(chosen, args.runs):
        where = f"{python}, {measure.idle()}"
        print(f"{name}: {where}", flush=True)
        began = time.monotonic()
        try:
            table = make()
        except Exception:  # whatever it is, the other tables are a quarter of an hour's work
            traceback.print_exc()
            failed.append(name)
            continue
        table.notes.append(f"`python -m bench {name.split()[0]} --runs {args.runs}`; {where}.")
        print(f"{table.markdown()}({time.monotonic() - began:.0f} s)\n", flush=True)
        page.put(name, table, args.page)
        done.append(table)
        if args.json:
            args.json.write_text(json.dumps([t.json() for t in done], indent=1))
    if failed:
        print(f"bench: not measured: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
