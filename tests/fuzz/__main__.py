"""`python -m tests.fuzz [--seconds N] [--seed N] [--keep] [PARSER...]`: every parser is attacked, one after the other.

Prints for each how many inputs there were and how many lines of the product they reached. What breaks a law is added
to the kept inputs, and the exit status is 1; `--keep` adds what reached new lines as well, if it is short.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

from tests.fuzz import kept
from tests.fuzz.engine import Parser, Tally, attack
from tests.fuzz.parsers import PARSERS, prepare

SHORT = 400  # bytes of an input that is kept for the lines it reaches: longer ones nobody reads


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--seconds", type=float, default=10.0, help="for each parser (10)")
    options.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    options.add_argument("--keep", action="store_true", help="keep short inputs that reach new lines")
    options.add_argument("parsers", nargs="*", metavar="PARSER", help=", ".join(p.name for p in PARSERS))
    asked = options.parse_args()
    chosen = [p for p in PARSERS if not asked.parsers or p.name in asked.parsers]
    total = broken = 0
    with tempfile.TemporaryDirectory() as home:
        prepare(home)
        for parser in chosen:
            tally = attack(parser, kept.load(parser.name), seconds=asked.seconds, seed=asked.seed, guided=True)
            total += tally.inputs
            broken += len(tally.broken)
            _tell(parser, tally, keep=asked.keep)
    print(f"{total:,} inputs for {len(chosen)} parsers; {broken} broke a law")
    return int(broken > 0)


def _tell(parser: Parser, tally: Tally, *, keep: bool) -> None:
    print(f"{tally.parser:12} {tally.inputs:>11,} inputs {tally.lines:>5} lines {tally.seconds:6.1f} s", flush=True)
    for kind, (data, error) in tally.broken.items():
        print(f"    {kind}: {str(error)[:200]!a}\n        {kept.escape(data)[:300]}")
    kept.add(parser.name, [data for data, _ in tally.broken.values()])
    if keep:
        kept.add(parser.name, [data for data in tally.reached if len(data) <= SHORT])


if __name__ == "__main__":
    sys.exit(main())
