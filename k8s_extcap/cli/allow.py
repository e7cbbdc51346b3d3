"""`k8s-extcap allow`: what captures of a context may use for good, where nobody says anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from k8s_extcap.cli.console import say, show
from k8s_extcap.edge import allowed, consent
from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.request import footprint
from k8s_extcap.wireshark.options import BY_CALL

METHODS = allowed.METHODS
DEFAULT = BY_CALL[allowed.OPTION].default


def allow(
    method: Annotated[
        str, typer.Argument(metavar="[METHOD]", help=f"The largest footprint: {', '.join(METHODS)}.")
    ] = "",
    context: Annotated[str, typer.Option("--context", help="Instead of the current context.")] = "",
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="Instead of the usual one.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help=f"As if nothing had been said: {DEFAULT}.")] = False,
) -> None:
    """Set the default of *May use* (--allow) for a context; without METHOD, print what is set.

    It counts for the cluster that the context leads to now, in Wireshark, tshark and `k8s-extcap capture`; what is
    chosen for a capture, or remembered for a workload, wins over it. A larger footprint than the administrator of this
    machine allows cannot be set.

        k8s-extcap allow nsenter --context kind-dev
    """
    if not method and not remove:
        for one in allowed.load():
            show(f"{one.context}\t{one.method}\t{one.server}")
        return
    from k8s_extcap.kube.connect import contexts

    known = contexts(kubeconfig)
    chosen = known.named(context or known.current)
    if chosen is None:
        have = ", ".join(c.name for c in known.all[:5])
        raise UsageError(f"--context: the kubeconfig has no context {context or known.current!r}. It has: {have}.")
    alias = ids.alias_of(chosen.name, [c.name for c in known.all])
    given = allowed.Allowed(alias, chosen.name, chosen.server, chosen.ca_digest, method)
    where = f"context {chosen.name} ({chosen.server})"
    if remove:
        if not allowed.change(given, remove=True):
            raise UsageError(f"Nothing was set for {where}. Without METHOD what is set is printed.")
        say(f"Captures in {where} may use up to {DEFAULT} again, unless told otherwise.")
        return
    check(method)
    allowed.change(given)
    say(f"Captures in {where} may use up to {method} from now on. 'k8s-extcap allow --remove' takes it back.")


def check(method: str, policy: Path = consent.POLICY) -> None:
    """UsageError where this method cannot be allowed for good, in general or on this machine."""
    if method not in METHODS:
        also = " copy runs the application a second time, so each capture has to name it." if method == "copy" else ""
        raise UsageError(f"{method!r} cannot be allowed for good.{also} Accepted: {', '.join(METHODS)}.")
    limit = consent.ceiling(policy)
    if limit and METHODS.index(method) > footprint(limit):
        raise UsageError(f"{method} is not allowed on this machine. Its administrator allows up to {limit} ({policy}).")


def register(app: typer.Typer) -> None:
    app.command("allow")(allow)
