"""Hours without a packet: an impatient balancer on the way, and eight hours' signs of life, counted, not waited for.

Signs of life and pings, each every 5 s, are all that happens in a quiet capture: eight hours are 5,760 of each. The
product itself sends them, a hundred times as fast; no other time is touched. That a real idle timer does not cut is
another cell: seven real seconds, less than any balancer's, and every silence is shorter than that.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from testbed.far import processes
from testbed.matrix import product
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, Stage, Taking, stage, taking
from testbed.matrix.weigh import descriptors, fit, resident, size
from testbed.truth.account import account
from testbed.truth.cutter import Cutter

IDLE = 7.0  # seconds of silence that the cutter allows; balancers allow 60 and more
WATCH = 45  # seconds of quiet behind it: six times as long
HOURS = 8
INTERVAL = 5.0  # seconds between signs of life, as the product has them
FASTER = 100
PACKETS = 100  # that end a quiet capture: the stream still carries, in the same file
GROWTH = 100  # bytes per sign of life: 576 kB in eight hours
SETTLE = 1.0

# The product's own command, with its two intervals made shorter before it starts.
_FAST = """
import sys
from functools import partial
from k8s_extcap.kube import exec as kube, pulse
from k8s_extcap.methods import guard
from k8s_extcap.run import stream
faster = float(sys.argv[1])
guard.INTERVAL /= faster
stream.open_exec = partial(kube.open_exec, life=pulse.Liveness(ping=pulse.LIVENESS.ping / faster))
from k8s_extcap.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def _words(place: Stage, method: str) -> list[str]:
    words = ["capture", place.target, "--method", method, *product.HELPER, "-f", f"udp port {PORT}"]
    return [*words, "--log-level", "info", "-w", "-"]


def behind_a_cutter(site: Site, node: str, method: str) -> Outcome:
    """A quiet capture and a connection that says nothing, through the same cutter: one is cut, one is not."""
    place, home = stage(site, node), product.home(site, "quiet")
    with Cutter(site.bed.node(1).address, 6443, IDLE) as cutter:
        kubeconfig = cutter.kubeconfig(site.cluster.kubeconfig, home)
        other = _cuts(cutter)
        cutter.longest = 0.0
        words = [sys.executable, "-m", "k8s_extcap", *_words(place, method)]
        with taking(words, home, product.environment(home, kubeconfig)) as capture:
            capture.wait()
            time.sleep(WATCH)
            figures: dict[str, Figure] = {
                "quiet seconds": WATCH,
                "cut after idle seconds": IDLE,
                "longest silence": round(cutter.longest, 1),
                "a silent connection ended after": other,
            }
            return _carries(place, capture, figures)


def _cuts(cutter: Cutter) -> float:
    """Seconds until a connection to the API server that says nothing is cut: else this cutter proves nothing."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", cutter.port), timeout=5 * IDLE) as silent:
        try:
            silent.recv(1)
        except ConnectionResetError:
            pass  # a cut, too
    if not cutter.cuts:
        raise AssertionError("the API server itself closed a silent connection: nothing was tried")
    return round(time.monotonic() - began, 1)


def _carries(place: Stage, capture: Taking, figures: dict[str, Figure]) -> Outcome:
    """Packets at the end come into the same file, without a gap: the stream is the one that began."""
    place.warm()
    sent = place.send("udp", 1000, PACKETS).sent
    time.sleep(SETTLE)
    code, said = capture.end(), capture.said()
    made = account(capture.chunks, {1: sent}, said)
    faults = [*made.faults, *(f"a gap: {gap}" for gap in made.gaps)]
    if code or faults:
        return Outcome("failed", f"exit {code}; {'; '.join(faults)}; {said[-160:]}"[:400], figures)
    return Outcome("works", "", {**figures, "packets then sent": sent, "in the file": made.filed})


def eight_hours(site: Site, node: str, method: str) -> Outcome:
    place, home = stage(site, node), product.home(site, "hours")
    beats = round(HOURS * 3600 / INTERVAL)
    words = [sys.executable, "-c", _FAST, str(FASTER), *_words(place, method)]
    with taking(words, home, product.environment(home, site.cluster.kubeconfig)) as capture:
        capture.wait()
        time.sleep(2)
        guards = [pid for pid, line in processes(place.far.id).items() if "k8s-extcap" in line or "tcpdump" in line]
        before = _weights(capture, home, guards)
        points: list[tuple[float, float]] = []
        over = time.monotonic() + beats * INTERVAL / FASTER
        while time.monotonic() < over:
            time.sleep(1)
            points.append((len(points) * FASTER / INTERVAL, resident(capture.process.pid)))
        after = _weights(capture, home, guards)
        slope = fit(points[len(points) // 10 :]).slope
        figures: dict[str, Figure] = {
            "signs of life": beats,
            "memory per sign, bytes": round(slope, 1),
            "memory MB": round(after["memory"] / 1e6),
            "log grew by": after["state"] - before["state"],
            "descriptors": f"{before['descriptors']} to {after['descriptors']}",
            "in the pod, memory grew by": after["far"] - before["far"],
        }
        outcome = _carries(place, capture, figures)
    grown = []
    if slope > GROWTH:
        grown.append(f"memory grows by {slope:.0f} bytes per sign of life")
    if after["descriptors"] > before["descriptors"]:
        grown.append("descriptors leak")
    if after["far"] - before["far"] > 1 << 20:  # bytes; a shell's heap breathes by pages
        grown.append(f"the guard in the pod grew by {after['far'] - before['far']} bytes")
    if after["state"] - before["state"] > 100_000:  # bytes: no line of the log per sign
        grown.append(f"log and state grew by {after['state'] - before['state']} bytes")
    return outcome if not grown else Outcome("failed", f"{'; '.join(grown)}; {outcome.sentence}", outcome.figures)


def _weights(capture: Taking, home: Path, guards: list[int]) -> dict[str, int]:
    return {
        "memory": resident(capture.process.pid),
        "descriptors": descriptors(capture.process.pid),
        "state": size(home / "state"),
        "far": sum(map(resident, guards)),
    }
