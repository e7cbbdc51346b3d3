"""Part `stops`: a hundred stops directly behind the last packet, and none may be missing; and what tshark's own costs.

The packets carry numbers; the oracle that looks for gaps shares nothing with the product.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from k8s_extcap.setup import launcher
from testbed.far import FarSide, children
from testbed.matrix import product, search
from testbed.matrix.pods import IDLE, NODES, PLAIN
from testbed.matrix.results import Cell, Figure, Outcome
from testbed.matrix.site import Site
from testbed.truth import launch, oracle
from testbed.truth.files import Chunk, frames
from testbed.truth.ledger import Expected, Verdict
from testbed.wait import until
from testbed.wireshark import release, room
from testbed.wireshark.desk import desk
from testbed.wireshark.tshark import Tshark, end

NAME = "stops"
RATE = 1000
SETTLE = 0.5  # seconds from tcpdump's start to its packet socket and filter
START = 30  # seconds for a capture to run, on a busy machine
END = 10  # seconds for a capture to end: a time-out, not a promise
FILTER = "udp port 9"
BLOCK = {"resident": 0.1, "upload": 0.008}  # seconds that tcpdump may hold packets back
WAY = 0.01  # seconds from the pod to dumpcap through kubelet, API server and us, on a busy machine

# how: (runs in each of resident/upload x n1/n2, packets sent)
ROUNDS = {
    "SIGTERM, as the GUI": (10, 500),
    "Ctrl+C of k8s-extcap capture": (7, 500),
    "--limit-packets": (4, 500),
    "--limit-time": (4, 500),
}
TSHARK = "Ctrl+C of tshark"


def cells(site: Site) -> Iterator[Cell]:
    deeds: dict[str, Callable[[Site, str, str, int], Outcome]] = dict(
        zip(ROUNDS, (_terminated, _interrupted, _full, _over), strict=True)
    )
    for how, (rounds, count) in ROUNDS.items():
        for method in BLOCK:
            for node in NODES:
                for number in range(rounds):
                    what = {"how": how, "method": method, "node": node, "round": str(number + 1)}
                    yield Cell(what, partial(deeds[how], site, method, node, count))
    for method in BLOCK:
        for node in NODES:
            for number in range(3):
                what = {"how": TSHARK, "method": method, "node": node, "round": str(number + 1)}
                yield Cell(what, partial(_tshark, site, method, node))


class _Stage:
    """The silent pod, and a peer that it can send numbered packets to."""

    def __init__(self, site: Site, node: str) -> None:
        self.site = site
        self.pod = site.pod(IDLE, node)
        self.peer = site.pod(IDLE, next(n for n in NODES if n != node)).ip
        self.far = FarSide(site.cluster, self.pod)
        self.interface = f"k8s-pod-{PLAIN}.{self.pod.name}"

    def wait(self) -> None:
        """Until tcpdump captures: its packet socket is open."""
        if not until(self.far.capturing, START):
            raise TimeoutError(f"no tcpdump in {self.pod.name} after {START} s")
        time.sleep(SETTLE)

    def send(self, count: int, stop: int | None = None, rate: int = RATE) -> int:
        flow = launch.Flow("udp", self.peer, rate=rate, messages=count, stop=stop)
        return launch.send(flow, self.far.inside()).sent

    def judge(self, data: list[Chunk], expected: Expected, home: Path, **figures: Any) -> Outcome:
        report = oracle.judge(data, {1: expected})
        verdict = report.flows[1]
        found, _ = search.watch(self.site, self.pod, home, 5)
        figures |= {"sent": verdict.expected, "missing": verdict.missing}
        faults = _faults(verdict)
        if report.broken or faults or found:
            said = "; ".join(word for word in (report.broken, faults, found.spoken()) if word)
            return Outcome("failed", f"{said}; {_log(home)}"[:400], figures)
        return Outcome("works", "", figures)


def _faults(verdict: Verdict) -> str:
    names = ("missing", "duplicate", "reordered", "damaged")
    said = [f"{getattr(verdict, name)} {name}" for name in names if getattr(verdict, name)]
    return ", ".join(said) + (f" {verdict.missing_ranges[:3]}" if verdict.missing else "")


def _log(home: Path) -> str:
    """The capture's own last word on what it lost."""
    file = home / "state/log/k8s-extcap.log"
    lines = [line for line in file.read_text().splitlines() if "Report(" in line] if file.exists() else []
    return lines[-1].partition("Report")[2] if lines else "no report in its log"


def _terminated(site: Site, method: str, node: str, count: int) -> Outcome:
    stage, home = _Stage(site, node), product.home(site, "stop")
    options = ("--method", method, "--extcap-capture-filter", FILTER)
    with product.lane(site, home, stage.interface, *options) as lane:
        stage.wait()
        sent = stage.send(count)
        lane.process.send_signal(signal.SIGTERM)
        code = lane.process.wait(END)
        lane.reader.join(5)
    outcome = stage.judge(lane.data, Expected(sent=sent), home)
    return outcome if code == 0 else Outcome("failed", f"exit {code}; {outcome.sentence}", outcome.figures)


def _command(
    site: Site, method: str, node: str, *options: str, deed: Callable[[_Stage, int], int], count: int = 0
) -> Outcome:
    """The command line with a file; `deed` sends, given the command's process, and tells how many packets."""
    stage, home = _Stage(site, node), product.home(site, "stop")
    file = home / "capture.pcapng"
    words = ("capture", f"{PLAIN}/{stage.pod.name}", "--method", method, "-f", FILTER, "--log-level", "info")
    process = product.start(site, home, *words, *options, "-w", str(file))
    try:
        stage.wait()
        sent = deed(stage, process.pid)
        _, said = process.communicate(timeout=END)
    finally:
        product.kill(process)
    outcome = stage.judge(list(oracle.stored(file)), Expected(sent=count or sent), home)
    if process.returncode:
        return Outcome("failed", f"exit {process.returncode}: {said.strip()[-200:]}", outcome.figures)
    return outcome


def _interrupted(site: Site, method: str, node: str, count: int) -> Outcome:
    """The sender itself sends SIGINT, directly after its last packet."""
    return _command(site, method, node, deed=lambda stage, pid: stage.send(count, stop=pid))


def _full(site: Site, method: str, node: str, count: int) -> Outcome:
    """Twice as many are sent; the first `count` must be in the file, and no other."""
    limit = ("--limit-packets", str(count))
    return _command(site, method, node, *limit, deed=lambda stage, _: stage.send(2 * count), count=count)


def _over(site: Site, method: str, node: str, count: int) -> Outcome:
    """Five seconds; the last packet is sent well before, how long before depends on the start of that capture."""
    return _command(site, method, node, "--limit-time", "5s", deed=lambda stage, _: stage.send(count))


def _tshark(site: Site, method: str, node: str) -> Outcome:
    """The sender goes on; at Ctrl+C tshark and dumpcap close their side at once. The gap is between the last packet
    that dumpcap took and the last that was sent before the signal.
    """
    own = release.native()
    there = room.find(own) if own else None
    if there is None:
        return Outcome("not run", "no tshark on this machine")
    stage = _Stage(site, node)
    with desk(there) as place:
        text = launcher.render(str(place.python), str(place.checkout / "k8s_extcap/__main__.py"), {})
        place.install(text)
        kubeconfig = place.copy(site.cluster.kubeconfig, ".kube/config")
        file = place.scratch / "capture.pcapng"
        option = f"extcap.{stage.interface.replace('-', '_').replace('.', '_')}.method:{method}"
        words = ("-i", stage.interface, "-f", FILTER, "-o", option, "-w", str(file))
        process = Tshark(place).start(*words, env={"KUBECONFIG": str(kubeconfig)})
        try:
            stage.wait()
            flow = launch.Flow("udp", stage.peer, rate=RATE, messages=0)
            running = launch.Running(flow, stage.far.inside())
            time.sleep(1)
            family = [process.pid, *children(process.pid)]
            os.killpg(process.pid, signal.SIGINT)
            at = time.time_ns()
            running.stop()
            process.wait(END)
            gone = until(lambda: not search.left(site, stage.pod, place.home).far, 5)
            data = list(oracle.stored(file))
        finally:
            end(process)
    return _tail(data, at, method, gone=gone, processes=len(family))


def _tail(data: list[Chunk], at: int, method: str, *, gone: bool, processes: int) -> Outcome:
    """Packets of 1 ms each: those of the time between the file's last one and the signal are the loss."""
    every = list(frames(data))
    verdict = oracle.judge(data, default=Expected()).flows[1]
    lost = max(0, (at - every[-1].time_ns) * RATE // 1_000_000_000)
    block, allowed = int(BLOCK[method] * RATE), int((BLOCK[method] + WAY) * RATE)
    figures: dict[str, Figure] = {
        "captured": len(every),
        "lost_at_end": lost,
        "block": block,
        "load": round(os.getloadavg()[0], 1),  # what is on its way is more on a machine whose processes wait
        "processes": processes,
    }
    if verdict.missing or not gone:
        return Outcome("failed", f"{_faults(verdict)}{'' if gone else '; something is left in the pod'}", figures)
    if lost > allowed:
        return Outcome("failed", f"{lost} packets before Ctrl+C are lost, one block and the way are {allowed}", figures)
    return Outcome("works", "", figures)
