"""A reader that stands still: memory stays flat, the stream alive, and the loss is counted to the packet."""

from __future__ import annotations

import sys
import time

from testbed.matrix import product
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, stage, taking
from testbed.matrix.weigh import Scales
from testbed.truth.account import account

PAUSE = 130  # seconds: longer than TCP_USER_TIMEOUT and twice what balancers allow
RATE = 1000
SIZE = 1400  # bytes: 180 MB in that time, ten times what all the buffers on the way hold
AFTER = 5000  # packets when it is read again
SETTLE = 1.0
FLAT = 8 << 20


def paused(site: Site, node: str, method: str, seconds: int = PAUSE) -> Outcome:
    place, home = stage(site, node), product.home(site, "paused")
    words = [sys.executable, "-m", "k8s_extcap", "capture", place.target, "--method", method, *product.HELPER]
    words += ["-f", f"udp port {PORT}", "--log-level", "info", "-w", "-"]
    with taking(words, home, product.environment(home, site.cluster.kubeconfig)) as capture:
        capture.wait()
        place.warm()
        capture.reading.clear()
        with Scales(capture.process.pid) as scales:
            during = place.send("udp", RATE, RATE * seconds, size=SIZE, number=1).sent
        capture.reading.set()
        time.sleep(3)  # what waits in buffers, 20 MB, is read at once
        after = place.send("udp", RATE, AFTER, size=SIZE, number=2).sent
        time.sleep(SETTLE)
        code, said = capture.end(), capture.said()
    made = account(capture.chunks, {1: during, 2: after}, said)
    second = made.report.flows[2]
    figures: dict[str, Figure] = {
        "seconds": seconds,
        "sent": made.sent,
        "in the file": made.filed,
        "dropped, told": made.dropped,
        "unaccounted": made.unaccounted,
        "missing of those sent afterwards": second.missing,
        "memory growth MB": round(scales.growth / 1e6, 1),
        "peak memory MB": round(scales.peak / 1e6),
    }
    faults = [*made.faults, *(f"a gap: {gap}" for gap in made.gaps)]
    if not made.dropped:
        faults.append("nothing was dropped, so nothing was tried")
    if second.missing:
        faults.append(f"{second.missing} packets are missing after the pause")
    if scales.growth > FLAT:
        faults.append(f"memory grew by {scales.growth / 1e6:.1f} MB")
    if code or faults:
        return Outcome("failed", f"exit {code}; {'; '.join(faults)}; {said[-160:]}"[:400], figures)
    return Outcome("works", "", figures)
