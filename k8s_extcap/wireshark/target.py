"""What a person writes to name a target, for the command line and the dialog's free text, as an `ids.Name`.

    NAMESPACE/POD              NAMESPACE/POD/CONTAINER       POD (in the namespace chosen otherwise, or the context's)
    KIND/NAMESPACE/NAME        KIND/NAME                     node/NAME        ns/NAME
    k8s-pod-NAMESPACE.POD      any interface name of ours

A first word that is a kind is taken as the kind; a namespace of such a name is reached by `pod/NAMESPACE/POD`.
"""

from __future__ import annotations

from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.ids import Name

GRAMMAR = "NAMESPACE/POD, NAMESPACE/POD/CONTAINER, deploy/NAMESPACE/NAME, svc/NAMESPACE/NAME, node/NAME"

# As kubectl abbreviates, singular and plural.
KINDS = {
    "pod": "pod pods po",
    "container": "container containers",
    "deploy": "deploy deployment deployments",
    "sts": "sts statefulset statefulsets",
    "ds": "ds daemonset daemonsets",
    "job": "job jobs",
    "svc": "svc service services",
    "ns": "ns namespace namespaces",
    "node": "node nodes no",
}
_KIND_OF = {word: kind for kind, words in KINDS.items() for word in words.split()}
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def parse(text: str, namespace: str = "") -> Name:
    """The target that `text` names; `namespace` is where it is when the text names none (empty: the context's).

    Raises UsageError with the grammar, or with what is wrong about the name.
    """
    text = text.strip()
    if text.lower().startswith(ids.PREFIX) and "/" not in text:
        name = ids.parse(text)
        if name is None or name.kind == "browse":
            raise UsageError(f"{text!r} is no interface name of ours. Name a target as {GRAMMAR}.")
        return checked(name)
    parts = text.split("/")
    if not text or not all(parts) or len(parts) > 4:
        raise UsageError(f"{text!r} names no target. Accepted: {GRAMMAR}.")
    return checked(_assemble(parts, namespace, text))


def _assemble(parts: list[str], namespace: str, text: str) -> Name:
    kind = _KIND_OF.get(parts[0].lower()) if len(parts) > 1 else None
    rest = parts[1:] if kind else parts
    if kind == "node" and len(rest) == 1:
        return Name("node", name=rest[0])
    if kind == "ns" and len(rest) == 1:
        return Name("ns", rest[0])
    if kind in (None, "pod", "container"):
        if len(rest) == 3:
            return Name("container", *rest)
        if len(rest) == 2 and kind == "container":
            return Name("container", namespace, *rest)
        if len(rest) <= 2 and kind != "container":
            return Name("pod", rest[0] if len(rest) == 2 else namespace, rest[-1])
    elif len(rest) <= 2 and kind not in (None, "node", "ns"):
        return Name(kind, rest[0] if len(rest) == 2 else namespace, rest[-1])
    raise UsageError(f"{text!r} has too many parts for a target. Accepted: {GRAMMAR}.")


def checked(name: Name) -> Name:
    """The same name, if Kubernetes could have such an object: labels for namespace and container (RFC 1123, at most 63
    characters), subdomains for the rest (253). It is pasted into API paths, so nothing else may pass.
    """
    for what, text, limit, dots in (
        ("namespace", name.namespace, 63, False),
        ("name", name.name, 253, True),
        ("container", name.container, 63, False),
    ):
        if not text:
            continue
        labels = text.split(".") if dots else [text]
        if len(text) > limit or not all(_label(label) for label in labels):
            raise UsageError(
                f"{text[:80]!r} cannot be a {what} in Kubernetes: lower-case letters, digits and '-'"
                f"{' and dots' if dots else ''}, at most {limit}. Check the spelling."
            )
    return name


def _label(text: str) -> bool:
    return bool(text) and not (set(text) - _LABEL) and text[0] != "-" and text[-1] != "-"
