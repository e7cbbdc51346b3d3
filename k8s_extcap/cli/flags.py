"""The option table as command-line flags: the same names, the same groups, the same values as in the dialog."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from k8s_extcap.wireshark.option import Option
from k8s_extcap.wireshark.options import MARKER, OPTIONS

# As tcpdump, tshark and kubectl abbreviate them.
SHORT = {"filter": "-f", "namespace": "-n", "container": "-c", "snaplen": "-s", "nic": "-i"}
# Chosen by the command's own argument, or only sensible in a dialog.
_NOT = ("target", "kind", "name", MARKER)
FLAGS = tuple(option for option in OPTIONS if option.call not in _NOT)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command(values, …)` as a typer command: its parameters, and behind them every option of the table."""
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "values"]
    hints = inspect.get_annotations(command, eval_str=True)
    own = [p.replace(annotation=hints[p.name]) for p in own]

    def run(**given: Any) -> None:
        values = {}
        for option in FLAGS:
            value = given.pop(_parameter(option))
            if value not in (None, False):
                values[option.call] = "true" if value is True else str(value)
        command(values=values, **given)

    flags = [_flag(option) for option in FLAGS]
    # typer asks the signature for the order and the annotations for the types
    run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    return run


def _parameter(option: Option) -> str:
    return option.call.replace("-", "_") + "_"


def _flag(option: Option) -> inspect.Parameter:
    names = [option.flag, *([SHORT[option.call]] if option.call in SHORT else [])]
    help_text = option.tooltip
    choices = [value for value, _ in option.choices] if option.kind == "choice" else []
    if choices:
        help_text += f": {', '.join(choices)}"
    if option.default and option.kind not in ("switch", "pick"):
        help_text += f" (default: {option.default})"
    kind: Any = bool if option.kind == "switch" else str
    info = typer.Option(*names, help=help_text, rich_help_panel=option.group, metavar=_metavar(option), is_flag=None)
    return inspect.Parameter(
        _parameter(option),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if kind is bool else None,
        annotation=Annotated[kind if kind is bool else str | None, info],
    )


def _metavar(option: Option) -> str | None:
    if option.kind == "switch":
        return None
    return {"number": "NUMBER", "choice": "WORD", "file": "FILE"}.get(
        option.kind, option.call.rpartition("-")[2].upper()
    )
