"""`python -m testbed.truth.modes [--seconds S] [--rates ...]`: ways to run tcpdump, measured on a link of our own.

Prints a Markdown table: packets lost, delay from sending to the reader of a local pipe, CPU of tcpdump, its writes,
and what is missing when INT comes directly after the last packet (six tries at 5,000/s).
"""

import argparse
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from payload.build import built
from testbed.truth.capture import Capture
from testbed.truth.launch import Flow, send
from testbed.truth.ledger import Expected
from testbed.truth.link import Link, link, why_not
from testbed.truth.oracle import judge

_FILTER = ("udp", "port", "9")
_STOPS, _STOP_RATE, _STOP_COUNT = 6, 5000, 1000
# Longer than any mode holds a packet back (stock: 1 s), so that what a cell calls lost is not the stop's doing.
_SETTLE_S = 1.3


class Mode(NamedTuple):
    """A row of the table; "TCPDUMP" stands for the program, "DEVICE" for the interface."""

    name: str
    command: tuple[str, ...]
    ours: bool = False


_BASE = ("TCPDUMP", "-n", "-p", "-i", "DEVICE")
_PRINT = 'exec "$@" 3>&1 >/dev/null'
MODES = (
    Mode("stock `-U`", (*_BASE, "-Z", "root", "-U", "-w", "-")),
    Mode(
        "stock `-U` immediate `-B 16384`",
        (*_BASE, "-Z", "root", "-U", "--immediate-mode", "-B", "16384", "-w", "-"),
    ),
    Mode(
        "stock `--print` way `-B 16384`",
        ("sh", "-c", _PRINT, "x", *_BASE, *"-Z root -q -t -l --print -U -B 16384 -w /dev/fd/3".split()),
    ),
    Mode("ours `-U -U`, 5 ms", (*_BASE, "-U", "-U", "--block-timeout", "5", "-w", "-"), ours=True),
    Mode("**ours `-U -U`, 10 ms**", (*_BASE, "-U", "-U", "-w", "-"), ours=True),
    Mode("ours `-U -U`, 20 ms", (*_BASE, "-U", "-U", "--block-timeout", "20", "-w", "-"), ours=True),
)


class Cell(NamedTuple):
    """One run at one rate; delays in milliseconds, `cpu` in percent of a core."""

    sent: int
    lost: int
    dropped: int
    p50: float
    p99: float
    cpu: float
    writes: float

    def __str__(self) -> str:
        return f"{self.lost} | {self.p50:.1f}/{self.p99:.1f} | {self.cpu:.1f} | {self.writes:.0f}"


def _command(mode: Mode, made: Link, stock: str) -> list[str]:
    program = str(built(_arch()) / "tcpdump") if mode.ours else stock
    words = {"TCPDUMP": program, "DEVICE": made.device}
    return [*made.inside_near(), *(words.get(word, word) for word in mode.command), *_FILTER]


def _arch() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def measure(command: Sequence[str], made: Link, rate: int, seconds: float) -> Cell:
    """`rate` packets a second of 200 bytes, while nothing else runs in these namespaces."""
    count = int(rate * seconds)
    with Capture(command) as taken:
        reader = taken.read()
        before = taken.usage()
        done = send(Flow("udp", made.far4, rate=rate, messages=count), made.inside_near())
        time.sleep(_SETTLE_S)
        after = taken.usage()
        taken.stop()
        said = taken.said()
        reader.join()
    verdict = judge(taken.chunks, {1: Expected(sent=count)}).flows[1]
    delay = verdict.arrived_after
    cpu = 100 * (after.cpu_s - before.cpu_s) / done.seconds
    middle, high = (delay.p50 / 1e6, delay.p99 / 1e6) if delay else (0.0, 0.0)
    writes = (after.writes - before.writes) / done.seconds
    return Cell(done.sent, verdict.missing, said.dropped, middle, high, cpu, writes)


def lost_at_stop(command: Sequence[str], made: Link) -> list[int]:
    """Packets missing when INT follows the last one at once."""
    lost = []
    for attempt in range(_STOPS):
        count = _STOP_COUNT + 137 * attempt  # another phase of the block timer each time
        with Capture(command) as taken:
            reader = taken.read()
            flow = Flow("udp", made.far4, rate=_STOP_RATE, messages=count, stop=taken.process.pid)
            send(flow, made.inside_near())
            taken.process.wait(30)
            reader.join()
        lost.append(judge(taken.chunks, {1: Expected(sent=count)}).flows[1].missing)
    return lost


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.truth.modes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 20_000, 100_000])
    chosen = parser.parse_args(arguments)
    stock = shutil.which("tcpdump")
    if (reason := why_not()) is not None:
        print(f"not here: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it like any other program
    heads = [f"{rate}/s: lost | p50/p99 ms | CPU % | writes/s" for rate in chosen.rates]
    columns = 2 + 4 * len(heads)
    print("| mode | " + " | ".join(heads) + " | lost at stop |\n" + "|-" * columns + "|", flush=True)
    for mode in MODES:
        if not mode.ours and stock is None:
            print(f"{mode.name}: no tcpdump on this machine", file=sys.stderr)
            continue
        with link() as made:
            command = _command(mode, made, stock or "")
            cells = [measure(command, made, rate, chosen.seconds) for rate in chosen.rates]
            stops = lost_at_stop(command, made)
        print(f"| {mode.name} | {' | '.join(map(str, cells))} | {', '.join(map(str, stops))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
