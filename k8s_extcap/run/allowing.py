"""What is allowed for good in the very cluster that a capture is about."""

from __future__ import annotations

from k8s_extcap.edge import allowed
from k8s_extcap.kube import connect
from k8s_extcap.model.errors import ConfigError


def confirmed(context: str, kubeconfig: str = "") -> str:
    """The method allowed for the cluster that this context (the current one if empty) leads to; "" where none is."""
    if not allowed.load():
        return ""
    try:
        found = connect.contexts(kubeconfig)
    except ConfigError:
        return ""  # the capture itself will tell it
    chosen = found.named(context or found.current)
    return allowed.of(chosen.name, chosen.server, chosen.ca_digest) if chosen else ""
