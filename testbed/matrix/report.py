"""The two pages, written from the results and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.matrix import compatibility, reliability
from testbed.matrix.results import ROOT, Result

PAGES = {"compatibility.md": compatibility.page, "reliability.md": reliability.page}


def write(results: Sequence[Result], folder: Path = ROOT / "docs") -> None:
    """`results`: all of them, oldest first. What was not run is named with its reason."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(results), encoding="utf-8")
        print(f"written: {folder / name}")
