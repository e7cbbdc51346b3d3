"""`k8s-extcap uninstall`: takes the launcher away; what was remembered only where that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from k8s_extcap.cli.console import show
from k8s_extcap.cli.install import FolderOption, chosen
from k8s_extcap.edge import folders as ours
from k8s_extcap.setup import install as setup
from k8s_extcap.setup.plan import apply


def uninstall(
    folder: FolderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Remembered options, lists, cached credentials and logs too.")
    ] = False,
) -> None:
    """Take the launcher out of Wireshark's folders.

    Files there that are none of ours stay. The package itself is removed as it was installed (pipx, pip, or the
    folder of the one-line installer).
    """
    operations = setup.removal(chosen(folder))
    for operation in operations:
        show(operation.spoken())
    if not operations:
        show("No launcher of ours is in these folders.")
    own = [path for path in remembered() if everything and path.exists()]
    for path in own:
        show(f"remove {path}")
    if dry_run:
        return
    apply(operations)
    for path in own:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def remembered() -> tuple[Path, ...]:
    """What this tool keeps for itself. Not the journals: they say what is still to be cleaned up in a cluster."""
    state = Path(ours.state())
    return (
        state / "favourites",
        state / "favourites.lock",
        state / "recents",
        state / "recents.lock",
        state / "options",
        state / "options.lock",
        state / "credentials",
        state / "log",
        Path(ours.cache()) / "catalog",
        Path(ours.cache()) / "compiled",
    )


def register(app: typer.Typer) -> None:
    app.command("uninstall")(uninstall)
