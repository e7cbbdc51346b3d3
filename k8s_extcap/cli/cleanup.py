"""`k8s-extcap cleanup`: what captures that died on this machine left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.model.errors import ExtcapError, UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import Connection

if TYPE_CHECKING:
    from k8s_extcap.run.janitor import Result


def cleanup(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Look for objects here; may be repeated.")
    ] = None,
    context: Annotated[str, typer.Option("--context", help="Instead of the current context.")] = "",
    all_contexts: Annotated[
        bool, typer.Option("--all-contexts", help="In every cluster of the kubeconfig, where it can be reached.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be removed and what else is there; remove nothing.")
    ] = False,
    local: Annotated[bool, typer.Option("--journals-only", help="Only what this machine's journals know.")] = False,
) -> None:
    """Remove what dead captures of yours left in the cluster, and say what could not be removed.

    Captures clean up after themselves; this is for a machine that lost its power. Objects of others, and of captures
    that still run, are not touched.
    """
    from k8s_extcap.run import janitor
    from k8s_extcap.wireshark.target import checked

    if context and all_contexts:
        raise UsageError("--context and --all-contexts exclude each other. Leave one of them out.")
    places = tuple(checked(Name("ns", place)).namespace for place in namespace or ())
    result = janitor.sweep_journals(dry=dry_run)
    removed, left, others = list(result.removed), list(result.left), list[str]()
    for one in () if local else _contexts() if all_contexts else (context,):
        try:
            found, there = _in(one, places, dry=dry_run)
        except ExtcapError as error:
            left.append(f"Context {one}: {error.sentence}" if all_contexts else error.sentence)
            continue
        removed += (what for what in found.removed if what not in removed)
        left += found.left
        others += there
    for what in removed:
        show(f"{'would be removed' if dry_run else 'removed'}: {what}")
    for what in others:
        show(f"stays: {what}")
    for sentence in left:
        say(sentence)
    if not removed and not left and not others:
        show("Nothing was left behind.")
    if left:
        raise typer.Exit(1)


def _contexts() -> list[str]:
    """One for each user of each cluster: several contexts often lead to the same place."""
    from k8s_extcap.kube.connect import contexts

    found = {(c.server, c.ca_digest, c.user): c.name for c in reversed(contexts().all)}
    return list(reversed(found.values()))


def _in(context: str, places: tuple[str, ...], *, dry: bool) -> tuple[Result, list[str]]:
    """What was, or would be, removed in one cluster; with `dry` also what else of ours is there."""
    from k8s_extcap.run import inventory, janitor
    from k8s_extcap.run.session import open_session

    session = open_session(Connection(context=context))
    found = janitor.sweep_objects(session, places, dry=dry)
    if not dry:
        return found, []
    return found, [item.spoken() for item in inventory.objects(session, places) if item.what not in found.removed]


def register(app: typer.Typer) -> None:
    app.command("cleanup")(cleanup)
