"""A target of the command line with the context it means: an interface name may carry a context's short name."""

from __future__ import annotations

from k8s_extcap.kube.connect import contexts
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError, UsageError


def context_of(alias: str, kubeconfig: str = "") -> str:
    """The context that has this short name."""
    known = [context.name for context in contexts(kubeconfig).all]
    found = ids.aliased(alias, known)
    if not found:
        have = ", ".join(known[:5]) or "none"
        raise UsageError(f"No context of the kubeconfig has the short name {alias!r}. It has: {have}.")
    return found


def alias_in(context: str, kubeconfig: str = "") -> str:
    """The short name of a context, as the list has it."""
    try:
        return ids.alias_of(context, [known.name for known in contexts(kubeconfig).all])
    except ConfigError:
        return ids.alias_of(context)  # no kubeconfig to find a twin in
