"""Part `accounting`: every packet is in the file or reported as dropped, at rates that hurt, per method and runtime.

Packets carry numbers and the time at which they were sent. Beside a resident tcpdump stock kubectl runs the same one,
on as many packets: where it loses nothing, we may lose nothing.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from testbed.images import recipes
from testbed.matrix import product
from testbed.matrix.pods import NODES
from testbed.matrix.results import Cell, Figure, Outcome, Result, Verdict
from testbed.matrix.site import Site
from testbed.matrix.table import names, number, select, table
from testbed.matrix.taking import PORT, Stage, interrupt_far, stage, taking
from testbed.truth import launch
from testbed.truth.account import Account, account

NAME = "accounting"
METHODS = ("resident", "upload", "nsenter", "ephemeral")
SECONDS = 3
#: The sender has finished that long before the stop; stock tcpdump holds its packets back for a second.
SETTLE = 1.0
STOCK_SETTLE = 1.5
_TICKS = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What is sent: messages per second and their bytes; `batch` of them in one call."""

    name: str
    protocol: str
    rate: int
    size: int
    batch: int = 1


LOADS = (
    Load("20,000/s of 200 bytes", "udp", 20_000, 200),
    Load("50,000/s of 200 bytes", "udp", 50_000, 200),
    Load("40 MB/s, full size", "udp", 27_174, 1472),  # 1,500 bytes of IP, the pods' MTU
    Load("40 MB/s, TCP super-frames", "tcp", 28_571, 1400, batch=40),
)


def cells(site: Site) -> Iterator[Cell]:
    for node in NODES:
        for load in LOADS:
            for method in METHODS:
                what = {"node": node, "load": load.name, "method": method}
                yield Cell(what, partial(_cell, site, node, load, method))


class _Run(NamedTuple):
    """One capture of one load, judged. `busy`: cores at work meanwhile, of all of the machine's."""

    account: Account
    busy: float
    code: int
    said: str


def _cell(site: Site, node: str, load: Load, method: str) -> Outcome:
    place, home = stage(site, node), product.home(site, "account")
    before = os.getloadavg()[0]
    figures: dict[str, Figure] = {"machine_load": round(before, 1)}
    stock = _stock(place, home, load) if method == "resident" else None
    if stock:
        figures |= {f"stock_{name}": figure for name, figure in _figures(stock).items()}
    ours = _ours(place, home, load, method)
    figures |= _figures(ours)
    return Outcome(*_verdict(ours, stock), figures)


def _verdict(ours: _Run, stock: _Run | None) -> tuple[Verdict, str]:
    made = ours.account
    if ours.code or made.faults:
        return "failed", f"exit {ours.code}; {'; '.join(made.faults)}; it said: {' '.join(ours.said.split())[-160:]}"[
            :400
        ]
    if made.dropped and (stock is None or stock.account.sent == stock.account.filed):
        beside = "" if stock is None else ", stock kubectl lost none"
        return "failed", f"{made.dropped} of {made.sent} dropped by the kernel (told){beside}"
    return "works", ""


def _ours(place: Stage, home: Path, load: Load, method: str) -> _Run:
    words = [sys.executable, "-m", "k8s_extcap", "capture", place.target, "--method", method, *product.HELPER]
    words += ["-f", f"{load.protocol} port {PORT}", "--limit-rate", "none", "--log-level", "info", "-w", "-"]
    env = product.environment(home, place.cluster.kubeconfig)
    return _run(place, load, words, home, env, stock=False)


def _stock(place: Stage, home: Path, load: Load) -> _Run:
    cluster = place.cluster
    namespace, _, pod = place.target.partition("/")
    words = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), "exec", "-n", namespace, pod, "--"]
    words += ["tcpdump", "-i", "eth0", *recipes.stays_root(), "-U", "-w", "-", f"{load.protocol} port {PORT}"]
    return _run(place, load, words, home, {}, stock=True)


def _run(place: Stage, load: Load, words: Sequence[str], home: Path, env: dict[str, str], *, stock: bool) -> _Run:
    counted: list[int] = []
    with ExitStack() as stack:
        if load.protocol == "tcp":
            stack.enter_context(launch.sink(PORT, place.peer.inside()))
        place.warm()
        capture = stack.enter_context(taking(words, home, env))
        capture.wait()
        if load.protocol == "tcp":
            counting = ExitStack()
            counted = counting.enter_context(place.counted("tcp"))
            stack.push(counting)
        idle, began = _idle(), time.monotonic()
        sent = place.send(load.protocol, load.rate, load.rate * SECONDS, size=load.size, batch=load.batch).sent
        busy = 1 - (_idle() - idle) / (time.monotonic() - began) / (os.cpu_count() or 1)
        time.sleep(STOCK_SETTLE if stock else SETTLE)
        if load.protocol == "tcp":
            counting.close()
        if stock:
            interrupt_far(place.far)
        code = capture.join() if stock else capture.end()
        said = capture.said()
    kept = account(
        capture.chunks,
        {1: sent},
        "" if stock else said,
        counted=counted[0] if counted else None,
        kernel=_told(said) if stock else None,
    )
    return _Run(kept, round(100 * busy), code, said)


def _told(said: str) -> int | None:
    """A pcap has no statistics: tcpdump's own words are on kubectl's standard error."""
    found = re.findall(r"(\d+) packets? dropped by kernel", said)
    return int(found[-1]) if found else None


def _idle() -> float:
    """Seconds that the machine's cores have been idle, all together (proc(5), /proc/stat)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / _TICKS


def _figures(run: _Run) -> dict[str, Figure]:
    made = run.account
    delay = made.report.flows[1].arrived_after
    return {
        "sent": made.sent,
        "filed": made.filed,
        "kernel": "unknown" if made.kernel is None else made.kernel,
        "interface": made.interface or 0,
        "unaccounted": made.unaccounted,
        "p50_ms": round(delay.p50 / 1e6, 1) if delay else -1,
        "p99_ms": round(delay.p99 / 1e6, 1) if delay else -1,
        "busy": run.busy,
    }


def page(part: Sequence[Result]) -> list[str]:
    """The table: each load and node with its methods, stock kubectl beside the resident one."""
    lines = [
        f"Numbered packets for {SECONDS} s from inside the pod to a pod on the other node, the rate ceiling off; the",
        f"stop comes {SETTLE:.0f} s behind the last packet. Sent = in the file + reported as dropped (by the kernel,",
        "in the file's own interface statistics and in the command's last line), or the cell has failed. The uploaded",
        "tcpdump (upload, nsenter, ephemeral) may drop nothing; a resident one may drop only where stock",
        "`kubectl exec -- tcpdump -U -w -`, run directly before on as many packets, loses packets too. TCP is counted",
        "in frames, by a counter of the kernel's netfilter in the pod. Delay: from the sender's clock to the reader",
        "of the capture, median and 99th percentile. Busy: share of the machine's cores meanwhile: sender, cluster,",
        "capture and reader together; load: average of the minute before.",
        "",
    ]
    head = (
        "load",
        "node",
        "method",
        "sent",
        "in the file",
        "dropped, told",
        "unaccounted",
        "delay ms",
        "busy",
        "load",
        "",
    )
    rows = []
    for load in (each.name for each in LOADS):
        for node in names(select(part, NAME, load=load), "node"):
            for found in select(part, NAME, load=load, node=node):
                rows += _rows(found)
    return [*lines, *(table(head, rows) if rows else ["not run (no result)", ""])]


def _rows(result: Result) -> list[list[str]]:
    what, said = result.what, "" if result.verdict == "works" else f"**{result.verdict}**"
    runtime = result.versions.get("runtime", "").removeprefix("containerd ")
    place = [what["load"], f"{what['node']}{f' ({runtime})' if runtime else ''}"]
    if "sent" not in result.figures:
        return [[*place, what["method"], *[""] * 7, said]]
    load = str(result.figures.get("machine_load", ""))
    rows = [[*place, what["method"], *_columns(result, ""), load, said]]
    if "stock_sent" in result.figures:
        rows.insert(0, [*place, "*stock kubectl*", *_columns(result, "stock_"), load, ""])
    return rows


def _columns(result: Result, prefix: str) -> list[str]:
    counts = [f"{int(number(result, prefix + name)):,}" for name in ("sent", "filed")]
    kernel = result.figures.get(f"{prefix}kernel", "")
    dropped = f"{kernel:,}" if isinstance(kernel, int) else str(kernel)
    delay = "/".join(f"{number(result, prefix + name):.0f}" for name in ("p50_ms", "p99_ms"))
    rest = f"{int(number(result, prefix + 'unaccounted')):,}"
    return [*counts, dropped, rest, delay, f"{number(result, prefix + 'busy'):.0f} %"]
