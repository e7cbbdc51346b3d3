"""`k8s-extcap options`: the option table for people; docs/options.md is what it prints with --markdown."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import out, show, table
from k8s_extcap.wireshark.option import UNCHOSEN, Option
from k8s_extcap.wireshark.options import GROUPS, OPTIONS

INTRODUCTION = """\
# Options

The same options everywhere: in the dialog of an interface in Wireshark (the gear beside its name), as flags of
`k8s-extcap capture`, and for tshark as `-o extcap.INTERFACE.OPTION:VALUE`, where INTERFACE is the interface's name with
every `-` and `.` as `_` and OPTION is the word in the last column: `tshark -i k8s-pod-shop.web-1 -o
extcap.k8s_pod_shop_web_1.limitpackets:100`.

Wireshark's dialogs are remembered by this tool, by workload, not by Wireshark: *Remember for* says how widely. A text
that is remembered is emptied by writing `none`; an emptied field looks to us like one that nobody touched. Method, *May
use* and what else is consent go beyond their workload only with *everywhere*. tshark gets the table's defaults only.
Wireshark 4.2 (Ubuntu 24.04 has it) crashes of options that are not its own to save: there it remembers them itself, for
the one interface and until its pod is gone, and its dialogs have no *Remember for*.

What captures *may use* is up to `ephemeral` where nobody says more. `k8s-extcap allow nsenter --context kind-dev` sets
another default for one context: in Wireshark, tshark and `k8s-extcap capture`, until `k8s-extcap allow --remove`. It
counts for the cluster that the context leads to, not for another one that bears the same name later; what is chosen for
a capture or remembered for a workload wins over it. An administrator can lower for good what captures of a machine may
use: a line `allow = "upload"` (or another method) in `/etc/k8s-extcap/policy.toml`. `k8s-extcap doctor` shows both.

Sizes are written `500 kB`, `2 GiB`; durations `90s`, `5m`, `1h30m`. Made by `k8s-extcap options --markdown`.
"""


def default(option: Option) -> str:
    if option.default in ("", UNCHOSEN):
        return option.placeholder if option.placeholder in ("automatic", "no limit") else ""
    return option.default


def accepted(option: Option) -> str:
    if option.kind == "choice":
        return ", ".join(value for value, _ in option.choices)
    if option.kind == "number":
        low, _, high = option.range.partition(",")
        return f"{low} to {high}"
    return {"switch": "true, false", "file": "a file", "pick": "a name"}.get(option.kind, "text")


def markdown() -> str:
    parts = [INTRODUCTION]
    for group in GROUPS:
        parts.append(f"## {group}\n")
        parts.append(
            "| in the dialog | flag | what it does | accepted | default | for `-o` |\n|---|---|---|---|---|---|"
        )
        parts += [
            f"| {o.display} | `{o.flag}` | {o.tooltip.replace('|', chr(92) + '|')} | {accepted(o)} | {default(o)} "
            f"| `{o.preference}` |"
            for o in OPTIONS
            if o.group == group
        ]
        parts.append("")
    return "\n".join(parts)


def options(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the page of the documentation.")] = False,
) -> None:
    """Explain every option: of Wireshark's dialog, of `capture`, and of tshark's -o."""
    if as_markdown:
        show(markdown().rstrip("\n"))
        return
    made = table("GROUP", "OPTION", "ACCEPTED", "DEFAULT", "WHAT IT DOES")
    for option in OPTIONS:
        made.add_row(option.group, option.flag, accepted(option), default(option), option.tooltip)
    out.print(made)


def register(app: typer.Typer) -> None:
    app.command("options")(options)
