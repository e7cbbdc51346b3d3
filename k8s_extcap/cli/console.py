"""Where the command line speaks: results on standard output, everything for people's eyes on standard error."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line for people; markup in it is text, since it may come from a cluster."""
    err.print(text, markup=False)


def show(text: str) -> None:
    """A result, exactly as it is: programs read it."""
    print(text)


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(*headers: str) -> Table:
    """A table without lines, as kubectl's: it can be copied and cut by columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold")
    return made
