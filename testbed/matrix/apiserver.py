"""More of part `kill`: the API server itself stops, on a bed of its own, as nobody else could work meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from testbed.cluster.bed import CURRENT
from testbed.cluster.processes import belonging
from testbed.matrix import product, search
from testbed.matrix.blows import BACK, FROZEN, SILENCE, Client, verdict
from testbed.matrix.lab import Lab
from testbed.matrix.pods import NODES
from testbed.matrix.results import Cell, Figure, Outcome
from testbed.matrix.site import Site

NUMBER = 8  # the bed's
LOAD = 6.0  # processes that wait for each core: a second cluster would not come up in time beside more


def cells(site: Site) -> Iterator[Cell]:
    with ExitStack() as stack:
        lab = Lab(site.bed, NUMBER, stack, CURRENT, refusal=_busy())
        for method in ("upload", "nsenter"):
            for node in NODES:
                what = {"blow": f"API server stopped for {FROZEN:.0f} s", "method": method, "node": node}
                yield Cell(what, partial(lab.run, partial(_stopped, method, node)))


def _busy() -> str:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= LOAD * cores:
        return ""
    return f"it needs a cluster of its own, and the load was {load:.0f} on {cores} cores"


def _stopped(method: str, node: str, site: Site) -> Outcome:
    """Its connections stay open and it answers nothing, as when its machine swaps or its disk hangs."""
    server = [p for p in belonging(site.bed) if b"kube-apiserver" in Path(f"/proc/{p}/cmdline").read_bytes()]
    client = Client(site, method, node)
    there = search.left(site, client.pod, client.home)
    try:
        for pid in server:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        inside, seconds = search.inside(client.pod, SILENCE)
        sentence = client.last(FROZEN)
        time.sleep(max(0.0, FROZEN - (time.monotonic() - began)))
    finally:
        for pid in server:
            os.kill(pid, signal.SIGCONT)
        product.kill(client.process)
    _answers(site)
    found, back = search.watch(site, client.pod, client.home, BACK)
    by = "guard; after the server is back: reaper"
    figures: dict[str, Figure] = {"there": there.kinds(), "gone_after": seconds, "rest_after_thaw": back, "by": by}
    if inside:
        return Outcome("failed", f"in the pod {SILENCE:.0f} s after the server stopped: {inside.spoken()}", figures)
    return verdict(found, sentence, figures)


def _answers(site: Site) -> None:
    over = time.monotonic() + 60
    while not site.api.ready():
        if time.monotonic() > over:
            raise TimeoutError("the API server does not answer 60 s after it went on")
        time.sleep(0.2)
