"""Markdown from results: tables, and what every page says about where its figures come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from testbed.matrix.results import Result, latest

MADE = "<!-- Made by `python -m testbed.matrix report` from results; changes by hand are lost. -->"

TOLD = 200  # characters of a failure's words


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [_row(head), _row(["---"] * len(head))]
    return [*lines, *map(_row, rows), ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def select(results: Iterable[Result], part: str, **what: str) -> list[Result]:
    """Those of a part in which each of `what` is as given."""
    return [r for r in results if r.part == part and all(r.what.get(k) == v for k, v in what.items())]


def names(results: Iterable[Result], column: str) -> list[str]:
    """The different values of one column, in the order of the results."""
    return list(dict.fromkeys(r.what[column] for r in results if column in r.what))


def origin(results: Sequence[Result]) -> str:
    """Which commits, versions and days these results are of."""
    if not results:
        return "No result yet."
    commits = ", ".join(f"`{c}`" for c in dict.fromkeys(r.commit for r in results))
    days = sorted({r.time[:10] for r in results})
    kubernetes = sorted({r.versions["kubernetes"] for r in results if "kubernetes" in r.versions})
    runtimes = sorted({r.versions["runtime"] for r in results if "runtime" in r.versions})
    beside = f" with {' and '.join(runtimes)}" if runtimes else ""
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{len(results)} cells on Kubernetes {', '.join(kubernetes)}{beside}, {when}, product at {commits}."


def plain(sentence: str) -> str:
    """A refusal without what differs from pod to pod and node to node: its names."""
    sentence = re.sub(r"\bpod matrix[a-z-]*/[a-z0-9-]+", "pod NAMESPACE/POD", sentence)
    sentence = re.sub(r'\bpods "[a-z0-9-]+"', 'pods "POD"', sentence)
    return re.sub(r"\bnode n[12]\b", "node NODE", sentence)


def told(sentence: str) -> str:
    """What a failed cell says, on one line, without the end of the product's log: that stands behind it in brackets."""
    text = " ".join(plain(sentence).partition(" [")[0].split())
    return text if len(text) <= TOLD else text[:TOLD] + "…"


def number(result: Result, figure: str) -> float:
    found = result.figures.get(figure, 0)
    return float(found) if isinstance(found, int | float) else 0.0


def failures(results: Iterable[Result]) -> list[str]:
    """Every failed cell with its words: a page that hides one is worth nothing."""
    failed = [f"- **{r.key.partition('/')[2]}**: {told(r.sentence)}" for r in results if r.verdict == "failed"]
    return [*failed, ""] if failed else ["None.", ""]


def superseded(every: Sequence[Result], part: str) -> list[str]:
    """Failures whose cell was measured again since: the tables show the last word, this shows what it replaced."""
    last = {r.key: r for r in latest(every)}
    old = [r for r in every if r.part == part and r.verdict == "failed" and last[r.key] is not r]
    lines = [
        f"- {r.key.partition('/')[2]}, at `{r.commit}`: {told(r.sentence)}; then {last[r.key].verdict}" for r in old
    ]
    return ["Failed before, and measured again:", "", *dict.fromkeys(lines), ""] if lines else []
