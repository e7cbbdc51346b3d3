"""`k8s-extcap favourite`: what Wireshark shall list always."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.edge import recents
from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.ids import Name
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
        for used in recents.favourites():
            show(f"{ids.render(used.name)}\t{used.context}")
        return
    name, place = named(target, namespace, context)
    if not remove:
        recents.add_favourite(name, place)
        say(f"{name.spoken()} in context {place} is listed always now. Press F5 in Wireshark.")
    elif recents.remove_favourite(name, place):
        say(f"{name.spoken()} in context {place} is no favourite any more.")
    else:
        raise UsageError(
            f"{name.spoken()} in context {place} was no favourite. Without TARGET the favourites are printed."
        )


def named(target: str, namespace: str, context: str) -> tuple[Name, str]:
    """The name, its namespace filled in from its context, and that context."""
    from k8s_extcap.cli.naming import context_of
    from k8s_extcap.kube.connect import contexts

    name = targets.parse(target, namespace)
    known = contexts()
    if name.alias and not context:
        context = context_of(name.alias)
    chosen = known.named(context or known.current)
    if chosen is None:
        have = ", ".join(c.name for c in known.all[:5])
        raise UsageError(f"--context: the kubeconfig has no context {context!r}. It has: {have}.")
    own = name.namespace or ("" if name.kind == "node" else chosen.namespace)
    return Name(name.kind, own, name.name, name.container, "", name.digest), chosen.name


def register(app: typer.Typer) -> None:
    app.command("favourite")(favourite)
