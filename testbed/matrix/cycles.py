"""`python -m testbed.matrix.cycles NAMESPACE/POD ROUNDS`: starts and stops captures in one process and weighs it.

One JSON line per round: what this process and its folders hold when the capture has ended. Two hundred starts of the
command would hide what one process leaks, so they happen in one; each is the whole of a capture, from its session to
its last undo. `cycles` runs it for the matrix.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from testbed.far import alive, children
from testbed.matrix import product
from testbed.matrix.results import ROOT, Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.taking import PORT, stage
from testbed.matrix.weigh import descriptors, files, fit, resident, size

ROUNDS = 200
METHODS = ("upload", "ephemeral", "resident", "ephemeral")  # in turn; each second one needs the pod's spec
PATIENCE = 1500  # seconds for all rounds on a busy machine
SLOPE = 5000  # bytes of memory per round
ENTRIES = 3
THREADS = (
    os.cpu_count() or 1
) + 4  # the loop's pool fills up as it is used and keeps them (asyncio, concurrent.futures)
_PACKETS = "3"


def cycles(site: Site, node: str, rounds: int = ROUNDS) -> Outcome:
    place, home = stage(site, node), product.home(site, "cycles")
    temporary = home / "tmp"
    temporary.mkdir()
    env = {**product.environment(home, site.cluster.kubeconfig), "TMPDIR": str(temporary)}
    words = [sys.executable, "-m", "testbed.matrix.cycles", place.target, str(rounds)]
    began = time.monotonic()
    with site.traffic(node, place.pod.ip, rate=100):
        done = subprocess.run(
            words, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    entries = site.cluster.get("pod", place.pod.name, "-n", place.pod.namespace)["spec"].get("ephemeralContainers", [])
    if done.returncode or len(lines) != rounds:
        return Outcome("failed", f"{len(lines)} rounds, exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return _judge(lines, len(entries), time.monotonic() - began)


def _judge(lines: list[dict[str, int]], entries: int, seconds: float) -> Outcome:
    warm = lines[len(lines) // 10 :]  # the first rounds import modules and fill caches
    # The first half fills caches that have a bound: Python's urlsplit alone keeps 128 addresses of 4 KB, two per round.
    slope = fit([(line["round"], line["memory"]) for line in lines[len(lines) // 2 :]]).slope
    held = ("descriptors", "tasks", "children", "temporary", "journals")
    figures: dict[str, Figure] = {
        "rounds": len(lines),
        "seconds each": round(seconds / len(lines), 2),
        "memory per round, bytes": round(slope),
        "state per round, bytes": round(fit([(line["round"], line["state"]) for line in warm]).slope),
        "ephemeral entries": entries,
        **{name: f"{warm[0][name]} to {warm[-1][name]}" for name in held},
        "threads at most": max(line["threads"] for line in lines),
    }
    faults = [f"{name} grew" for name in held if warm[-1][name] > warm[0][name]]
    if slope > SLOPE:
        faults.append(f"memory grows by {slope:.0f} bytes per round")
    if max(line["threads"] for line in lines) > 1 + THREADS:
        faults.append("threads beyond the loop's own pool")
    if entries > ENTRIES:
        faults.append(f"{entries} ephemeral containers in the pod's spec")
    if any(line["packets"] < int(_PACKETS) for line in lines):
        faults.append("a round without packets")
    return Outcome("failed" if faults else "works", "; ".join(faults), figures)


async def _round(target: str, method: str) -> int:
    """One capture as the command does it, without its own process; the packets it took."""
    from k8s_extcap.edge.fifo import open_fifo
    from k8s_extcap.run.capture import Watch, capture
    from k8s_extcap.run.stop import Stop
    from k8s_extcap.wireshark import target as targets
    from k8s_extcap.wireshark.request import to_request

    values = {"method": method, "filter": f"udp port {PORT}", "limit-packets": _PACKETS, "limit-time": "20s"}
    sink = await open_fifo(os.devnull)
    watch = Watch()
    try:
        await capture(to_request(targets.parse(target, ""), values), sink, Stop(), watch)
    finally:
        sink.close()
    return watch.counters.sum.packets


async def _all(target: str, rounds: int) -> None:
    from k8s_extcap.edge import folders, log

    log.start("", "info")
    state = Path(folders.state())
    for number in range(rounds):
        packets = await _round(target, METHODS[number % len(METHODS)])
        await asyncio.sleep(0.05)  # what was cancelled has a turn of the loop to end
        gc.collect()
        held = {
            "round": number,
            "packets": packets,
            "memory": resident(os.getpid()),
            "descriptors": descriptors(os.getpid()),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "children": sum(map(alive, children(os.getpid()))),
            "temporary": files(Path(os.environ["TMPDIR"])),
            "journals": files(state / "journal"),
            "state": size(state),
        }
        print(json.dumps(held), flush=True)


if __name__ == "__main__":
    asyncio.run(_all(sys.argv[1], int(sys.argv[2])))
