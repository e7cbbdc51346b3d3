"""Where the command line speaks: results on standard output, everything for people's eyes on standard error."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

# Names of contexts and words of kubelets are printed as they are: `[x]` is no markup, `:id:` no picture.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def plain(text: str) -> str:
    """Without what a terminal would obey: it may come from a cluster, a registry, a pod."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def say(text: str) -> None:
    """A line for people."""
    err.print(plain(text))


def show(text: str) -> None:
    """A result for people and programs: without anything around it."""
    print(plain(text))


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def table(*headers: str) -> Table:
    """A table without lines, as kubectl's: it can be copied and cut by columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold")
    return made
