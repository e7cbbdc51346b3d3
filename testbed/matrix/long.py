"""Part `long`: what only time and size show. Each cell takes minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from testbed.matrix import cycles, large, many, paused, quiet
from testbed.matrix.results import Cell, Result
from testbed.matrix.site import Site

NAME = "long"

TITLES = {
    "large": f"{large.OCTETS / 1e9:.0f} GB through one capture, TCP super-frames; the packets are judged as they come",
    "cutter": f"a quiet capture behind a cutter of connections that are idle for {quiet.IDLE:.0f} s; one that "
    "says nothing it cuts",
    "paused": f"nobody reads the capture for {paused.PAUSE} s while {paused.RATE:,} packets a second come, then it is "
    "read on: the TCP window is shut, the kernel's ring runs over",
    "hours": f"{quiet.HOURS} quiet hours: as many signs of life and pings, {quiet.FASTER} times as fast",
    "cycles": f"{cycles.ROUNDS} starts and stops on one pod in one process, methods in turn "
    f"({', '.join(cycles.METHODS)})",
    "ten": "ten captures at once, five on each of two pods",
    "users": "two users with a home each on one pod; the one with the least rights ends first",
    "pods": "10,000 pods of the demo cluster in one namespace: the list is renewed while its rows are deleted and "
    "others come",
}


def cells(site: Site) -> Iterator[Cell]:
    def cell(what: str, node: str, method: str, run: object) -> Cell:
        return Cell({"what": what, "node": node, "method": method}, run)  # type: ignore[arg-type]

    for node, method in (("n2", "upload"), ("n1", "resident")):
        yield cell("cutter", node, method, partial(quiet.behind_a_cutter, site, node, method))
    yield cell("ten", "", "all", partial(many.ten_at_once, site))
    yield cell("users", "n2", "ephemeral, upload", partial(many.two_users, site, "n2"))
    for node, method in (("n1", "upload"), ("n2", "resident")):
        yield cell("paused", node, method, partial(paused.paused, site, node, method))
    yield cell("pods", "", "", partial(many.ten_thousand, site))
    yield cell("cycles", "n1", "in turn", partial(cycles.cycles, site, "n1"))
    yield cell("hours", "n2", "upload", partial(quiet.eight_hours, site, "n2", "upload"))
    yield cell("large", "n2", "upload", partial(large.large, site, "n2", "upload"))


def page(part: Sequence[Result]) -> list[str]:
    """A paragraph per cell: what was done, what came of it, every figure."""
    lines = []
    for what, title in TITLES.items():
        lines.append(f"- {title[0].upper()}{title[1:]}:")
        found = [r for r in part if r.what.get("what") == what]
        for result in found:
            where = ", ".join(word for word in (result.what["method"], result.what["node"]) if word)
            said = result.verdict if result.verdict == "works" else f"**{result.verdict}**: {result.sentence}"
            figures = "; ".join(f"{name} {_plain(figure)}" for name, figure in result.figures.items())
            lines.append(f"  - {f'{where}: ' if where else ''}{said}. {figures[:1].upper()}{figures[1:]}.")
        if not found:
            lines.append("  - not run (no result)")
    return [*lines, ""]


def _plain(figure: object) -> str:
    return f"{figure:,}" if isinstance(figure, int | float) else str(figure)
