"""Ten gigabytes through one capture, looked at as they come: the identity, and memory that stays flat."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import ExitStack

from testbed.matrix import product
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, stage, taking
from testbed.matrix.weigh import Scales
from testbed.truth import launch
from testbed.truth.account import Account, account, last_line

OCTETS = 10_000_000_000
SIZE = 56_000  # bytes of a message: one TCP super-frame
RATE = 50_000_000  # bytes per second that two cores carry from sender to reader without loss
SETTLE = 1.0
FLAT = 8 << 20  # bytes: the line through the memory's settled part may rise by that much, of buffers that breathe


def large(site: Site, node: str, method: str, octets: int = OCTETS) -> Outcome:
    place, home = stage(site, node), product.home(site, "large")
    words = [sys.executable, "-m", "k8s_extcap", "capture", place.target, "--method", method, *product.HELPER]
    words += ["-f", f"tcp port {PORT}", "--limit-rate", "none", "--log-level", "info", "-w", "-"]
    env = product.environment(home, site.cluster.kubeconfig)
    count, load = octets // SIZE, os.getloadavg()[0]
    judged: list[Account] = []
    with ExitStack() as stack:
        stack.enter_context(launch.sink(PORT, place.peer.inside()))
        place.warm()
        capture = stack.enter_context(taking(words, home, env, keep=False))
        # The reader judges while it reads: nothing of ten gigabytes is kept.
        reader = threading.Thread(target=lambda: judged.append(account(capture.stream(), {1: count})), daemon=True)
        reader.start()
        capture.wait()
        scales = stack.enter_context(Scales(capture.process.pid))
        with place.counted("tcp") as counting:
            sent = place.send("tcp", RATE // SIZE, count, size=SIZE)
            time.sleep(SETTLE)
        code = capture.end()
        reader.join(60)
        said = capture.said()
    made = judged[0]._replace(line=last_line(said))
    if made.dropped:  # a message is no packet: frames against the kernel's own count of them
        made = made._replace(sent=counting[0], filed=made.report.frames)
    figures: dict[str, Figure] = {
        "GB sent": round(sent.sent * SIZE / 1e9, 2),
        "seconds": round(sent.seconds),
        "MB/s": round(sent.sent * SIZE / sent.seconds / 1e6),
        "packets in the file": made.report.frames,
        "dropped, told": made.dropped,
        "unaccounted": made.unaccounted,
        "peak memory MB": round(scales.peak / 1e6),
        "memory growth MB": round(scales.growth / 1e6, 1),
        "load": round(load, 1),
    }
    faults = list(made.faults)
    if scales.growth > FLAT:
        faults.append(f"memory grew by {scales.growth / 1e6:.1f} MB")
    if code or faults:
        return Outcome("failed", f"exit {code}; {'; '.join(faults)}; {said[-160:]}"[:400], figures)
    return Outcome("works", "", figures)
