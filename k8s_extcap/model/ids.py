"""Interface names and what they stand for, both ways.

    k8s-pod-NS.POD                k8s-container-NS.POD.CONTAINER      k8s-node-NODE
    k8s-deploy-NS.NAME            k8s-sts-, k8s-ds-, k8s-job-, k8s-svc-NS.NAME
    k8s-ns-NS                     k8s-browse
    k8s-KIND-ALIAS_REST           the same in another context than the current one
    k8s-KIND-NS._DIGEST           a name too long: the digest of its identity (kind, namespace, name, container)

It is reversible because of what Kubernetes admits: a namespace and a container name are DNS labels (no dot), a pod
or node name is a DNS subdomain, and none has an underscore. Wireshark wants [a-z0-9._-], at most 200 bytes, and
compares without regard to case. On the hot lane: imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX = "k8s-"
BROWSE = "k8s-browse"
LIMIT = 200  # bytes of an interface value; Wireshark's FIFO name leaves 220 with a toolbar
ALIAS = 4  # hexadecimal digits of an alias, and how many more each time that two contexts would share them
DIGEST = 16  # hexadecimal digits: 64 bits, no accident among the pods of one namespace

# Kind in the name -> what people call it. The order is the order of the browse dialog.
KINDS = {
    "pod": "Pod",
    "container": "Container",
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
    "job": "Job",
    "svc": "Service",
    "ns": "Namespace",
    "node": "Node",
    "browse": "Browse",
}
_CLUSTER_WIDE = ("ns", "node")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


class Name:
    """What an interface name stands for. `digest` is set instead of name and container where those were too long."""

    __slots__ = ("alias", "container", "digest", "kind", "name", "namespace")

    def __init__(
        self, kind: str, namespace: str = "", name: str = "", container: str = "", alias: str = "", digest: str = ""
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.container = container
        self.alias = alias
        self.digest = digest

    def key(self) -> tuple[str, str, str, str, str, str]:
        return (self.kind, self.namespace, self.name, self.container, self.alias, self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"Name{self.key()!r}"

    def spoken(self) -> str:
        """For sentences: `pod shop/web-1`, `container shop/web-1/app`, `node n1`."""
        kind = KINDS.get(self.kind, self.kind)
        kind = kind.lower() if self.kind in ("pod", "container", "ns", "node") else kind
        parts = [p for p in (self.namespace, self.name or self.digest, self.container) if p]
        return f"{kind} {'/'.join(parts)}" if parts else kind


def _fits(text: str) -> bool:
    return bool(text) and not (set(text) - _LETTERS)


def identity_digest(kind: str, namespace: str, name: str, container: str) -> str:
    """The digest that stands for a name too long; a capture finds it by hashing the names of that namespace."""
    import hashlib

    identity = "/".join((kind, namespace, name, container))
    return hashlib.sha256(identity.encode()).hexdigest()[:DIGEST]


def render(name: Name) -> str:
    """The interface name. Every identity has exactly one, and `parse` gives it back (or its digest)."""
    if name.kind == "browse":
        return BROWSE
    head = f"{PREFIX}{name.kind}-" + (f"{name.alias}_" if name.alias else "")
    if name.digest:
        return f"{head}{name.namespace}._{name.digest}"
    if name.kind == "ns":
        rest = name.namespace
    elif name.kind == "node":
        rest = name.name
    else:
        rest = ".".join(p for p in (name.namespace, name.name, name.container) if p)
    if len(head) + len(rest) > LIMIT:
        digest = identity_digest(name.kind, name.namespace, name.name, name.container)
        return f"{head}{name.namespace}._{digest}"
    return head + rest


def parse(text: str) -> Name | None:
    """What an interface name stands for, or None where it is none of ours. Case does not matter to the host."""
    text = text.lower()
    if text == BROWSE:
        return Name("browse")
    if not text.startswith(PREFIX) or len(text) > LIMIT or not _fits(text):
        return None
    kind, dash, rest = text[len(PREFIX) :].partition("-")
    if not dash or kind not in KINDS or kind == "browse" or not rest:
        return None
    alias = ""
    before, underscore, after = rest.partition("_")
    if underscore and not before.endswith("."):
        alias, rest = before, after
        if not alias or "." in alias:
            return None
    return _identity(kind, rest, alias)


def _identity(kind: str, rest: str, alias: str) -> Name | None:
    namespace, mark, digest = rest.partition("._")
    if mark:
        hexadecimal = len(digest) == DIGEST and not (set(digest) - set("0123456789abcdef"))
        return Name(kind, namespace, alias=alias, digest=digest) if hexadecimal else None
    if "_" in rest or rest.startswith(".") or rest.endswith(".") or not rest:
        return None
    if kind in _CLUSTER_WIDE:
        if kind == "ns":
            return None if "." in rest else Name("ns", rest, alias=alias)
        return Name("node", name=rest, alias=alias)
    namespace, dot, name = rest.partition(".")
    if not dot or not namespace or not name:
        return None
    if kind != "container":
        return Name(kind, namespace, name, alias=alias)
    name, dot, container = name.rpartition(".")
    return Name(kind, namespace, name, container, alias=alias) if dot and name and container else None


def alias_of(context: str, among: Iterable[str] = ()) -> str:
    """A short stable alias of a context: its readable letters and four hexadecimal digits that tell twins apart, more
    where another context `among` those known has the same letters and digits.
    """
    letters, digits = _identified(context)
    twins = [_identified(other)[1] for other in among if other != context and _identified(other)[0] == letters]
    length = ALIAS
    while any(twin[:length] == digits[:length] for twin in twins):
        length += ALIAS
    return f"{letters}-{digits[:length]}"


def _identified(context: str) -> tuple[str, str]:
    import hashlib

    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in context.lower()).strip("-")
    slug = "-".join(part for part in slug.split("-") if part)[-24:].strip("-")
    return slug or "context", hashlib.sha256(context.encode()).hexdigest()


def aliased(alias: str, contexts: Sequence[str]) -> str:
    """The one of these contexts that an alias stands for, "" where none does."""
    return next((context for context in contexts if alias_of(context, contexts) == alias), "")
