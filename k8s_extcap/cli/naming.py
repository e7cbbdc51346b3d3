"""A target of the command line with the context it means: an interface name may carry a context's short name."""

from __future__ import annotations

from k8s_extcap.kube.connect import contexts
from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError


def context_of(alias: str, kubeconfig: str = "") -> str:
    """The context that has this short name."""
    known = contexts(kubeconfig).all
    found = next((context.name for context in known if ids.alias_of(context.name) == alias), "")
    if not found:
        have = ", ".join(context.name for context in known[:5]) or "none"
        raise UsageError(f"No context of the kubeconfig has the short name {alias!r}. It has: {have}.")
    return found
