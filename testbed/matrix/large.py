"""Ten gigabytes through one capture, looked at as they come: the identity, and memory that stays flat."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from testbed.matrix import product
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, stage, taking
from testbed.matrix.weigh import Scales
from testbed.truth import launch
from testbed.truth.account import Account, account, last_line
from testbed.truth.files import Chunk

OCTETS = 10_000_000_000
SIZE = 56_000  # bytes of a message: one TCP super-frame
RATE = 50_000_000  # bytes per second that two cores carry from sender to reader without loss
SETTLE = 1.0
LONGEST = 330  # seconds of sending: what has gone through by then is what fits on this machine
PATIENCE = 60  # seconds for that
FLAT = 8 << 20  # bytes: the line through the memory's settled part may rise by that much, of buffers that breathe


def _noted(chunks: Iterator[Chunk], octets: list[int]) -> Iterator[Chunk]:
    for chunk in chunks:
        octets[0] += len(chunk.data)
        yield chunk


def _silent(read: Callable[[], int]) -> None:
    """Until nothing has come for a second: what waits in the kernel's ring on a busy machine has all been read."""
    over, before = time.monotonic() + PATIENCE, -1
    while time.monotonic() < over and read() != before:
        before = read()
        time.sleep(SETTLE)


def large(site: Site, node: str, method: str, octets: int = OCTETS) -> Outcome:
    place, home = stage(site, node), product.home(site, "large")
    words = [sys.executable, "-m", "k8s_extcap", "capture", place.target, "--method", method, *product.HELPER]
    words += ["-f", f"tcp port {PORT}", "--limit-rate", "none", "--log-level", "info", "-w", "-"]
    env = product.environment(home, site.cluster.kubeconfig)
    load = os.getloadavg()[0]
    judged: list[Account] = []
    with ExitStack() as stack:
        stack.enter_context(launch.sink(PORT, place.peer.inside()))
        place.warm()
        capture = stack.enter_context(taking(words, home, env, keep=False))
        # The reader judges while it reads: nothing of ten gigabytes is kept.
        octets_read = [0]

        def look() -> None:
            judged.append(account(_noted(capture.stream(), octets_read), {1: None}))

        reader = threading.Thread(target=look, daemon=True)
        reader.start()
        capture.wait()
        scales = stack.enter_context(Scales(capture.process.pid))
        with place.counted("tcp") as counting:
            sending = place.sending("tcp", RATE // SIZE, size=SIZE)
            over = time.monotonic() + LONGEST
            while octets_read[0] < octets and time.monotonic() < over and sending.process.poll() is None:
                time.sleep(0.5)
            sent = sending.stop()
            _silent(lambda: octets_read[0])
        code = capture.end()
        reader.join(60)
        said = capture.said()
    made = judged[0]._replace(sent=sent.sent, line=last_line(said))
    if made.dropped:  # a message is no packet: frames against the kernel's own count of them
        made = made._replace(sent=counting[0], filed=made.report.frames)
    figures: dict[str, Figure] = {
        "GB sent": round(sent.sent * SIZE / 1e9, 2),
        "GB in the file": round(octets_read[0] / 1e9, 2),
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
