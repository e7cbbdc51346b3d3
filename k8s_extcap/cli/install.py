"""`k8s-extcap install`: the launcher into Wireshark's folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.setup import install as setup
from k8s_extcap.setup import places
from k8s_extcap.setup.plan import apply

FolderOption = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="An extcap folder of Wireshark instead of the personal ones; may be repeated."),
]


def chosen(folder: list[Path] | None) -> tuple[Path, ...]:
    return tuple(path.absolute() for path in folder) if folder else places.personal(os.environ)


def install(
    folder: FolderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
) -> None:
    """Let Wireshark find this tool: put its launcher into the personal extcap folders.

    Wireshark 4.0 and 4.2 or newer look in different folders; without --folder both get it. What the launcher needs to
    reach your clusters from a desktop session (PATH, KUBECONFIG, proxy and CA variables) is recorded in it: run this
    in a shell where kubectl works, and again when that changes.
    """
    folders = chosen(folder)
    operations = setup.plan(folders, os.environ)
    for operation in operations:
        show(operation.spoken())
    recorded = setup.recorded_in(folders, os.environ)
    show(f"recorded in it from this shell: {', '.join(recorded) or 'nothing'}")
    if dry_run:
        return
    if os.environ.get("SUDO_USER") and not folder:
        say("This is sudo: it installs for root. Without sudo it installs for you.")
    undo = apply(operations)
    if not setup.compiled():
        say("The package's folder cannot be written, so its lists start a little more slowly.")
    for path in folders:
        answer = setup.verify(path / places.LAUNCHER)
        if answer.problem:
            undo()
            raise ConfigError(f"{answer.path} does not work: {answer.problem} Everything was put back as it was.")
        show(f"{answer.path} answers: k8s-extcap {answer.version}")
    if not places.shared() and not folder:
        say(
            "Wireshark's global extcap folder is missing on this machine, and without it no personal one counts: "
            "install Wireshark or tshark."
        )
    show("Done. Start Wireshark, or press F5 in it. In doubt: k8s-extcap doctor")


def register(app: typer.Typer) -> None:
    app.command("install")(install)
