"""Part `kill`: every way in which a capture can end badly, at many moments, and whether anything stays.

What is there when the blow falls is recorded too: a cell in which nothing was there proves nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from testbed.matrix import apiserver, blows, product, search
from testbed.matrix.pods import KINDS, NAMESPACES, NODES, Kind
from testbed.matrix.results import Cell, Figure, Outcome
from testbed.matrix.site import Site

NAME = "kill"
CREATING = ("upload", "ephemeral", "nsenter", "copy")
TARGET = KINDS[0]
RESIDENT = KINDS[1]  # the one with tcpdump
MOMENTS = range(0, 125, 5)  # percent of the time from the start to the first packets; every second one on each node
START = 40  # seconds for packets to flow, on a busy machine
REAPED = 45.0  # seconds: the reaper looks 10 for an object whose answer was lost, and the guard waits 20 for a beat
ALONE = 35.0  # seconds: what the guard must end without the reaper
_times: dict[tuple[str, str], float] = {}


def cells(site: Site) -> Iterator[Cell]:
    for method in CREATING:
        for moment in MOMENTS:
            node = NODES[moment // 5 % 2]
            what = {"blow": "SIGKILL of the capture", "method": method, "node": node, "moment": f"{moment} %"}
            yield Cell(what, partial(_moment, site, method, node, moment))
    for method in ("resident", *CREATING):
        for node in NODES:
            what = {"blow": "SIGKILL of capture and reaper", "method": method, "node": node, "moment": "packets flow"}
            yield Cell(what, partial(_both, site, method, node, 0))
    for method in ("nsenter", "copy"):
        for moment in (60, 80, 90):
            node = NODES[moment // 10 % 2]
            what = {"blow": "SIGKILL of capture and reaper", "method": method, "node": node, "moment": f"{moment} %"}
            yield Cell(what, partial(_both, site, method, node, moment))
    yield from blows.cells(site)
    yield from apiserver.cells(site)
    for kind in (TARGET, RESIDENT):
        for node in NODES:
            site.forget(kind, node)


def kind(method: str) -> Kind:
    return RESIDENT if method == "resident" else TARGET


@contextmanager
def running(site: Site, method: str, node: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A capture without a limit, just started."""
    pod = site.pod(kind(method), node)
    words = ("capture", f"{pod.namespace}/{pod.name}", *product.HELPER, "--method", method, "--log-level", "info")
    process = product.start(site, home, *words, "-w", str(home / "capture.pcapng"))
    try:
        yield process
    finally:
        product.kill(process)


def flows(home: Path, process: subprocess.Popen[str]) -> None:
    """Until packets are in the file: 400 bytes are more than its headers."""
    file, over = home / "capture.pcapng", time.monotonic() + START
    while not file.exists() or file.stat().st_size < 400:
        if process.poll() is not None or time.monotonic() > over:
            raise TimeoutError(f"no packets within {START} s (exit {process.returncode})")
        time.sleep(0.02)


def _usual(site: Site, method: str, node: str) -> float:
    """Seconds from the start to the first packets, measured once in each run: the moments are parts of it."""
    if (method, node) not in _times:
        home = product.home(site, "usual")
        began = time.monotonic()
        with running(site, method, node, home) as process:
            flows(home, process)
            _times[method, node] = time.monotonic() - began
            process.send_signal(signal.SIGINT)
            process.wait(10)
        fresh(site, method, node)
    return _times[method, node]


def fresh(site: Site, method: str, node: str) -> None:
    """An ephemeral container would be used again: then nothing is created that a kill could leave."""
    if method == "ephemeral":
        site.forget(kind(method), node)


def _moment(site: Site, method: str, node: str, percent: int) -> Outcome:
    delay = _usual(site, method, node) * percent / 100
    pod, home = site.pod(kind(method), node), product.home(site, "kill")
    with running(site, method, node, home) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGSTOP)  # so that what is there can be looked at before the far side moves
        there = search.left(site, pod, home)
        process.kill()
        process.wait()
        found, seconds = search.watch(site, pod, home, REAPED)
    restarts = site.restarts(pod)
    fresh(site, method, node)
    figures: dict[str, Figure] = {
        "delay": round(delay, 2),
        "there": there.kinds(),
        "gone_after": seconds,
        "by": _by(there),
    }
    if found or restarts:
        said = found.spoken() or f"{restarts} restarts of the pod's containers"
        return Outcome("failed", f"left after {REAPED:.0f} s: {said}", figures)
    return Outcome("works", "", figures)


def _by(there: search.Left) -> str:
    """Whose work it was: objects and journals are the reaper's, what is in the pod the guard ends first."""
    mine = ("guard",) if there.processes or there.files else ()
    return ", ".join((*mine, "reaper") if there.journals or there.objects else mine)


def _both(site: Site, method: str, node: str, percent: int) -> Outcome:
    """No reaper: the guard ends what runs in the pod, alone; the rest is the janitor's, when somebody calls it."""
    delay = _usual(site, method, node) * percent / 100 if percent else 0
    pod, home = site.pod(kind(method), node), product.home(site, "kill")
    with running(site, method, node, home) as process:
        if percent:
            time.sleep(delay)
        else:
            flows(home, process)
        os.killpg(process.pid, signal.SIGSTOP)  # so that nothing happens between the two blows
        there = search.left(site, pod, home)
        for line in search.here(home):
            os.kill(int(line.split()[0]), signal.SIGKILL)
        process.wait()
        _, seconds = search.inside(pod, ALONE)
    between = search.left(site, pod, home)
    cleaned = product.command(site, home, "cleanup", *(w for n in NAMESPACES for w in ("-n", n)))
    found, _ = search.watch(site, pod, home, 10)
    fresh(site, method, node)
    figures: dict[str, Figure] = {
        "there": there.kinds(),
        "gone_after": seconds,
        "left_for_janitor": between.kinds(),
        "by": "guard, janitor" if between else "guard",
    }
    if between.processes or between.files:
        return Outcome("failed", f"in the pod after {ALONE:.0f} s: {between.spoken()}", figures)
    if found:
        return Outcome(
            "failed", f"left after clean-up: {found.spoken()}; it said {cleaned.printed.strip()}"[:400], figures
        )
    return Outcome("works", cleaned.printed.strip().replace("\n", "; "), figures)
