"""`k8s-extcap favourite`: what Wireshark shall list always."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.edge import favourites
from k8s_extcap.model import ids
from k8s_extcap.wireshark import target as targets


def favourite(
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help=f"{targets.GRAMMAR}, or an interface name; nothing lists them.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where TARGET is, if it does not say.")] = "",
    context: Annotated[str, typer.Option("--context", help="A context other than the current one.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Do not list it always any more.")] = False,
) -> None:
    """Have a target listed in Wireshark always; without TARGET, print the favourites."""
    if not target:
        for interface in favourites.load():
            show(interface)
        return
    from k8s_extcap.kube.connect import contexts

    name = targets.parse(target, namespace)
    if not name.namespace and name.kind != "node":
        known = contexts()
        chosen = known.named(context or known.current)
        name = ids.Name(name.kind, chosen.namespace if chosen else "default", name.name, name.container)
    if context:
        name = ids.Name(name.kind, name.namespace, name.name, name.container, ids.alias_of(context), name.digest)
    interface = ids.render(name)
    if remove:
        say(f"{interface} is no favourite any more." if favourites.remove(interface) else f"{interface} was none.")
    else:
        say(f"{interface} is a favourite{'' if favourites.add(interface) else ' already'}. Press F5 in Wireshark.")


def register(app: typer.Typer) -> None:
    app.command("favourite")(favourite)
