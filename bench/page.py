"""docs/benchmarks.md: prose that people write, and between a pair of marks each table that was measured last."""

from __future__ import annotations

import re
from pathlib import Path

from bench.table import Table

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"


def begin(name: str) -> str:
    return f"<!-- measured: {name} -->"


def end(name: str) -> str:
    return f"<!-- end of {name} -->"


def put(name: str, table: Table, page: Path = PAGE) -> None:
    """Replaces what stands between the marks of `name`; where there are none, they are added at the page's end."""
    text = page.read_text()
    new = f"{begin(name)}\n{table.markdown()}{end(name)}"
    pattern = re.escape(begin(name)) + r"\n.*?" + re.escape(end(name))
    text, count = re.subn(pattern, lambda _: new, text, count=1, flags=re.DOTALL)
    if not count:
        text = f"{text.rstrip()}\n\n{new}\n"
    fresh = page.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(page)  # a benchmark that is interrupted leaves the page whole
