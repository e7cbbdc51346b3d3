"""`k8s-extcap name`: what to type behind -i, and what such a name stands for."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.wireshark import target as targets


def name(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"{targets.GRAMMAR}, or an interface name.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where TARGET is, if it does not say.")] = "",
    context: Annotated[str, typer.Option("--context", help="A context other than the current one.")] = "",
) -> None:
    """Print the interface name of a target, for tshark -i; of an interface name, what it stands for."""
    found = targets.parse(target, namespace)
    if target.startswith(ids.PREFIX) and "/" not in target:
        show(found.spoken())
        return
    if not found.namespace and found.kind != "node":
        raise UsageError(f"{target!r} does not say in which namespace. Write NAMESPACE/{target}, or add -n NAMESPACE.")
    if context:
        from k8s_extcap.cli.naming import alias_in

        found = ids.Name(found.kind, found.namespace, found.name, found.container, alias_in(context))
    text = ids.render(found)
    show(text)
    if "._" in text:
        say(
            "The name was too long for Wireshark: it ends in a digest, and is found again among those of its namespace."
        )


def register(app: typer.Typer) -> None:
    app.command("name")(name)
