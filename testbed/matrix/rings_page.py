"""The part of docs/reliability.md about struck captures: by blow, by position, what stayed, what was planted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from testbed.matrix import strikes
from testbed.matrix.results import Result
from testbed.matrix.rings import SEARCH, STRUCK
from testbed.matrix.struck import METHODS
from testbed.matrix.table import failures, names, number, origin, plain, select, superseded, table

EXPECTED = (
    "What may stay: a finished Job until its TTL; the entry of a terminated ephemeral container, which Kubernetes",
    "never removes; and where the credentials were revoked, the journal on this machine and a copy's finished pod, for",
    "the next clean-up. Processes, files and deleted programs at work: never. Here ephemeral containers wait 45 s for",
    "another capture instead of 300.",
    "",
    "In the middle of an upload the guard waits for 60 s, not 20.",
)


def page(every: Sequence[Result], results: Sequence[Result]) -> list[str]:
    struck, looked = select(results, STRUCK), select(results, SEARCH)
    return [
        "## Struck at every position",
        "",
        origin([r for r in struck if r.verdict != "not run"]),
        "",
        "Each method at each position of its own plan, under each blow. A gate between client and API server holds the",
        "request before it is forwarded, or its answer before it is given back, and the blow falls then. The search",
        "does not ask what looks like ours: in a cell's namespace and pod, and below its client's home, everything",
        "was left that was not there before. After each cell tshark reads the capture file, which ends on the border",
        "of a block.",
        "",
        *EXPECTED,
        "",
        *_tables(struck),
        *_remainders(struck),
        *_revoked(struck),
        "What the client says at its end, where it says something:",
        "",
        *_words(struck),
        "### What stayed after a blow",
        "",
        *failures(struck),
        *superseded(every, STRUCK),
        "### Whether the search finds anything",
        "",
        "One leftover of each kind is planted, and mutants of the product run, each with one ring switched off (where",
        "a copy is not evicted, the reaper before that too).",
        "",
        *_search(looked),
    ]


def _tables(part: Sequence[Result]) -> list[str]:
    methods = [method for method in METHODS if method in names(part, "method")]
    if not part:
        return ["not run (no result)", ""]
    lines = ["Cells that left nothing, of those that were run, and the longest time until all was gone:", ""]
    lines += _table(part, "blow", methods, lambda r: r.what["blow"])
    lines += ["By position:", "", *_table(part, "position", methods, lambda r: r.what["position"])]
    missing = [r for r in part if r.verdict == "not run"]
    if missing:
        lines += [f"{len(missing)} cells of {len(part)} were not run:", ""]
        lines += [f"- {r.key.partition('/')[2]}: not run ({r.sentence})" for r in missing]
        lines.append("")
    return lines


def _table(part: Sequence[Result], title: str, methods: Sequence[str], column: Callable[[Result], str]) -> list[str]:
    rows = []
    known = [*(blow.name for blow in strikes.BLOWS), *(f"{blow.name} (reconnect)" for blow in strikes.BLOWS)]
    order = {name: number for number, name in enumerate(known)}
    for name in sorted(dict.fromkeys(map(column, part)), key=lambda name: (order.get(name, 0), name)):
        cells = [[r for r in part if column(r) == name and r.what["method"] == method] for method in methods]
        rows.append([name, *map(_sum, cells)])
    return table((title, *methods), rows)


def _sum(cells: Sequence[Result]) -> str:
    if not cells:
        return "-"
    ran = [r for r in cells if r.verdict != "not run"]
    if not ran:
        return "not run"
    good = [r for r in ran if r.verdict == "works"]
    count = f"{len(good)}" if len(good) == len(ran) == len(cells) else f"{len(good)} of {len(ran)}"
    count += f" ({len(cells) - len(ran)} not run)" if len(ran) < len(cells) else ""
    slowest = max((number(r, "gone_after") for r in good), default=0.0)
    text = f"{count}, {slowest:.0f} s"
    return f"**{text}**" if len(good) < len(ran) else text


def _remainders(part: Sequence[Result]) -> list[str]:
    rows: dict[tuple[str, str], list[str]] = {}
    for result in part:
        for kept in str(result.figures.get("remainder", "")).split("; "):
            if kept:
                rows.setdefault((kept, result.what["method"]), []).append(result.what["blow"])
    shown = [[kept, method, str(len(blows)), ", ".join(dict.fromkeys(blows))] for (kept, method), blows in rows.items()]
    return [*table(("remainder", "method", "cells", "blows"), shown)] if shown else []


def _revoked(part: Sequence[Result]) -> list[str]:
    """When a copy that nobody may delete had ended itself, by the node that it ran on."""
    runtimes = {r.figures.get("node"): r.versions.get("runtime", "") for r in part}
    found = [r for r in part if r.figures.get("ended_on") and r.verdict == "works"]
    rows = []
    for node in sorted({str(r.figures["ended_on"]) for r in found}):
        times = [number(r, "ended_after") for r in found if r.figures["ended_on"] == node]
        rows.append([node, runtimes.get(node, ""), str(len(times)), f"{min(times):.0f} to {max(times):.0f} s"])
    head = ("a copy that nobody may delete, on", "runtime", "cells", "its last process is gone, from the capture's end")
    return table(head, rows) if rows else []


def _words(part: Sequence[Result]) -> list[str]:
    """Each sentence once, with the blows that it was said after."""
    said: dict[str, list[str]] = {}
    for result in part:
        if result.verdict == "works" and result.sentence:
            said.setdefault(_general(result.sentence), []).append(result.what["blow"])
    lines = [f"- {text} ({', '.join(dict.fromkeys(blows))})" for text, blows in sorted(said.items())]
    return [*lines, ""] if lines else ["Nothing.", ""]


def _general(sentence: str) -> str:
    """Without what differs from cell to cell."""
    text = re.sub(r"\b[a-z]+-\d+-[0-9a-f]{8}/", "NAMESPACE/", plain(sentence))
    text = re.sub(r"gap from \S+ to \S+ UTC \([\d.]+ s", "gap from A to B UTC (N s", text)
    text = re.sub(r"k8s-extcap-[0-9a-f]{10}(-[a-z0-9]{5})?", "k8s-extcap-ID", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "SERVER", text)
    return re.sub(r"\b\d+ (packets|s)\b", r"N \1", text)


def _search(looked: Sequence[Result]) -> list[str]:
    rows = []
    for result in looked:
        works = result.verdict == "works"
        if "planted" in result.what:
            rows.append(["planted", result.what["planted"], "found, then gone" if works else f"**{result.sentence}**"])
        else:
            found = f"found: {result.figures.get('found', '')}" if works else "**nothing was found**"
            rows.append(["mutant", result.what["mutant"], found])
    return table(("", "which", ""), rows) if rows else ["not run (no result)", ""]
