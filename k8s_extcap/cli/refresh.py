"""`k8s-extcap refresh`: reads the cluster's lists now, where the user may be asked for a login."""

from __future__ import annotations

from typing import Annotated

import typer

from k8s_extcap.cli.console import show
from k8s_extcap.model.errors import ConfigError


def refresh(
    context: Annotated[str, typer.Argument(help="Instead of the current context.")] = "",
) -> None:
    """Read anew what Wireshark lists, and log in where that is needed.

    Wireshark itself never asks for a login while it lists: after this, press F5 in it.
    """
    from k8s_extcap.edge import catalog
    from k8s_extcap.run import refresh as lane

    try:
        status = lane.refresh(context, interactive=True, force=True)
    except OSError as error:
        raise ConfigError(
            f"The list in {catalog.folder()} cannot be written ({error.strerror}). Make that folder writable."
        ) from error
    cluster = status.clusters.get(context or status.current)
    why = status.error or (cluster.error if cluster else "")
    if why and not (cluster and cluster.rows and not cluster.failures):
        raise ConfigError(why)
    _, answer = catalog.load()
    show(f"{answer.count('interface {')} interfaces are listed. Press F5 in Wireshark.")


def register(app: typer.Typer) -> None:
    app.command("refresh")(refresh)
