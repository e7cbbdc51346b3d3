"""`k8s-extcap cleanup`: what captures that died on this machine left behind."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import Connection


def cleanup(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Look for objects here; may be repeated.")
    ] = None,
    context: Annotated[str, typer.Option("--context", help="Instead of the current context.")] = "",
    local: Annotated[bool, typer.Option("--journals-only", help="Only what this machine's journals know.")] = False,
) -> None:
    """Remove what dead captures of yours left in the cluster, and say what could not be removed.

    Captures clean up after themselves; this is for a machine that lost its power. Objects of others, and of captures
    that still run, are not touched.
    """
    from k8s_extcap.run import janitor
    from k8s_extcap.run.session import open_session
    from k8s_extcap.wireshark.target import checked

    places = tuple(checked(Name("ns", place)).namespace for place in namespace or ())
    result = janitor.sweep_journals()
    removed, left = list(result.removed), list(result.left)
    if not local:
        try:
            found = janitor.sweep_objects(open_session(Connection(context=context)), places)
            removed += found.removed
            left += found.left
        except ExtcapError as error:
            left.append(error.sentence)
    for what in removed:
        show(f"removed: {what}")
    for sentence in left:
        say(sentence)
    if not removed and not left:
        show("Nothing was left behind.")
    if left:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command("cleanup")(cleanup)
