"""docs/reliability.md: ends that went badly and what stayed; stops and what was lost."""

from __future__ import annotations

import re
from collections.abc import Sequence

from testbed.matrix import accounting, long, rings_page, stops
from testbed.matrix.results import Result, latest
from testbed.matrix.table import MADE, failures, names, number, origin, plain, select, superseded, table


def page(every: Sequence[Result]) -> str:
    """From all results: the tables have the last word on each cell, what was worse before is named below them."""
    results = latest(every)
    kills, halts, idle = (select(results, part) for part in ("kill", "stops", "idle"))
    lines = [
        "# Reliability",
        "",
        MADE,
        "",
        "What stays when a capture ends badly, and what is lost when it ends well: measured on the real cluster of the",
        "test bed, with a search that shares no code with the product and its clean-up. It looks for processes in the",
        "pod and in its network namespace, files in every folder of its containers that an upload may take, Jobs and",
        "pods with our label, journals and processes on this machine.",
        "",
        "## Killed",
        "",
        origin(kills),
        "",
    ]
    lines += _kills(kills)
    lines += [
        "### What stayed",
        "",
        *failures(kills),
        *superseded(every, "kill"),
        *rings_page.page(every, results),
        "## Stopped",
        "",
        origin(halts),
        "",
        *_stops(halts),
    ]
    lines += [
        "### Failed stops",
        "",
        *failures(halts),
        *superseded(every, "stops"),
        *_account_and_long(every, results),
        "## A node's own stream",
        "",
        origin(idle),
        "",
        *_idle(idle),
        *superseded(every, "idle"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _account_and_long(every: Sequence[Result], results: Sequence[Result]) -> list[str]:
    rates, soak = select(results, accounting.NAME), select(results, long.NAME)
    return [
        "## Every packet accounted for",
        "",
        origin(rates),
        "",
        *accounting.page(rates),
        "### Where packets were lost",
        "",
        *failures(rates),
        *superseded(every, accounting.NAME),
        "## Long and large",
        "",
        origin(soak),
        "",
        *long.page(soak),
        *superseded(every, long.NAME),
    ]


def _kills(part: Sequence[Result]) -> list[str]:
    head = ("blow", "method", "cells", "something was there", "gone after, at most", "who cleared up", "left")
    rows = []
    for blow in names(part, "blow"):
        for method in names(select(part, "kill", blow=blow), "method"):
            found = select(part, "kill", blow=blow, method=method)
            rows.append([blow, method, *_summary(found)])
    lines = [
        "*Something was there*: the number of cells in which the search found something of ours when the blow",
        "fell; the other blows fell before anything was done. *Gone after*: seconds from the blow until a search found",
        "nothing at all (a capture that was stopped or lost its network: nothing in the pod).",
        "",
        *table(head, rows),
    ]
    lines += _moments(select(part, "kill", blow="SIGKILL of the capture"))
    said = [f"- {r.what['blow']}, {r.what['method']}: {_worded(r.sentence)}" for r in part if "(exit " in r.sentence]
    return [*lines, *(["What the client says at its end:", "", *dict.fromkeys(said), ""] if said else [])]


def _moments(found: Sequence[Result]) -> list[str]:
    """By what was there when the blow fell."""
    if not found:
        return []
    rows = []
    for method in names(found, "method"):
        mine = select(found, "kill", method=method)
        for there in dict.fromkeys(map(_there, mine)):
            same = [r for r in mine if _there(r) == there]
            delays = [number(r, "delay") for r in same]
            slowest = max(number(r, "gone_after") for r in same)
            rows.append([method, there or "nothing yet", ", ".join(r.what["moment"].removesuffix(" %") for r in same),
                         f"{min(delays):.1f} to {max(delays):.1f}", f"{slowest:.1f} s"])  # fmt: skip
    head = ("method", "there at the blow", "moments, %", "seconds from the start", "gone after, at most")
    note = "Moments are percent of the time from the start of the capture to its first packets."
    return ["### SIGKILL at each moment", "", note, "", *table(head, rows)]


def _there(result: Result) -> str:
    """Without processes on this machine: the capture itself is one, and has just been killed."""
    kinds = str(result.figures.get("there", "")).split(", ")
    return ", ".join(kind for kind in kinds if kind and kind != "process here")


def _worded(sentence: str) -> str:
    return re.sub(r"\bafter \d+ packets", "after N packets", plain(sentence))


def _summary(found: Sequence[Result]) -> list[str]:
    ran = [r for r in found if r.verdict != "not run"]
    if not ran:
        return ["0", "", "", "", f"not run ({found[-1].sentence})"]
    there = sum(bool(_there(r)) for r in ran)
    slowest = max(number(r, "gone_after") for r in ran)
    left = sum(r.verdict == "failed" for r in ran)
    who = ", ".join(dict.fromkeys(word for r in ran for word in str(r.figures.get("by", "")).split(", ") if word))
    more = max((number(r, "rest_after_thaw") for r in ran), default=0)
    later = max((number(r, "objects_after") for r in ran), default=0)
    gone = f"{slowest:.1f} s"
    gone += f", the rest {more:.0f} s after it is back" if more > 1 else ""
    gone += f", objects {later:.0f} s" if later > slowest + 1 else ""
    return [str(len(ran)), str(there), gone, who, f"**{left} failed**" if left else "nothing"]


def _stops(part: Sequence[Result]) -> list[str]:
    head = ("stop", "method", "stops", "packets sent", "missing", "failed")
    rows = []
    hows = [how for how in (*stops.ROUNDS, *names(part, "how")) if how != stops.TSHARK]
    for how in dict.fromkeys(hows):
        for method in stops.BLOCK:
            found = [r for r in select(part, "stops", how=how, method=method) if r.verdict != "not run"]
            sums = [sum(int(number(r, name)) for r in found) for name in ("sent", "missing")]
            failed = sum(r.verdict == "failed" for r in found)
            rows.append(
                [how, method, str(len(found)) if found else "not run (no result)", *map(str, sums), str(failed)]
            )
    lines = [
        f"Numbered packets, {stops.RATE:,} a second from inside the pod; the stop comes directly behind the last one.",
        "No packet that was sent before the stop may be missing, doubled or out of order.",
        "",
        *table(head, rows),
        "Ctrl+C of tshark is another thing: tshark and dumpcap close their side before anybody else can act. The",
        "sender goes on, and the loss is what was sent between the last packet in the file and the signal: what",
        "tcpdump holds back, one block (100 ms for a resident one, 8 ms for ours), and what is on its way. 10 ms are",
        "allowed for that; more is a failure. Beside it the machine's load, its average of one minute.",
        "",
    ]
    found = select(part, "stops", how=stops.TSHARK)
    shown = ("captured", "lost_at_end", "block", "load")
    ours = [
        [*(r.what[n] for n in ("method", "node", "round")), *(str(r.figures.get(n, "")) for n in shown), r.verdict]
        for r in found
    ]
    columns = ("method", "node", "round", "captured", "lost", "one block", "load", "")
    return [*lines, *(table(columns, ours) if ours else ["not run (no result)", ""])]


def _idle(part: Sequence[Result]) -> list[str]:
    lines = [
        "A node captured for 30 s without a user's filter and without a ceiling of the rate: the capture's own stream",
        "crosses that node, and must not be captured itself. Below 100,000 bytes a second, with one silent pod on each",
        "node. `lo` and `any` are never chosen. Whoever asks for them gets them without the container runtime's",
        "streaming port, a random one that carries the capture itself ([methods.md](methods.md)).",
        "",
    ]
    rows = [[r.what["node"], r.what["interface"], str(r.figures.get("interface", "")),
             f"{int(number(r, 'bytes_per_second')):,}" if r.verdict != "refused" else "", _said(r)]
            for r in part]  # fmt: skip
    head = ("node", "asked for", "interface", "bytes/s", "")
    return [*lines, *(table(head, rows) if rows else ["not run (no result)", ""])]


def _said(result: Result) -> str:
    return result.verdict + (f": {result.sentence}" if result.sentence else "")
