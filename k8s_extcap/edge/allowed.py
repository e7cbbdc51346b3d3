"""What a person allows captures of a context for good (`k8s-extcap allow`): it is what *May use* says there where
nobody says anything else.

`config()/allowed`, text, 0600: a line for each cluster, with its context's alias and name, its address, the digest of
its certificate authority and the method, separated by tabs. A consent counts for that cluster only: contexts are called
alike on purpose (`kubernetes-admin@kubernetes` is the name that kubeadm gives to every cluster's).

The dialog asks on the hot lane, where only the alias is known; a capture asks for the cluster itself.
"""

from __future__ import annotations

from k8s_extcap.edge import folders
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.wireshark.options import BY_CALL

LIMIT = 64 * 1024  # bytes that are read: some hundred clusters
OPTION = "allow"  # the option whose default it is
METHODS = tuple(value for value, _ in BY_CALL[OPTION].choices)  # in the order of their footprint


class Allowed:
    """One consent."""

    __slots__ = ("alias", "authority", "context", "method", "server")

    def __init__(self, alias: str, context: str, server: str, authority: str, method: str) -> None:
        self.alias = alias
        self.context = context
        self.server = server
        self.authority = authority
        self.method = method

    def cluster(self) -> tuple[str, str, str]:
        return (self.context, self.server, self.authority)


def path() -> str:
    return folders.config() + "/allowed"


def load() -> list[Allowed]:
    """In the order they were given; lines that are none are skipped, since what is not understood allows nothing."""
    lines = folders.read(path(), LIMIT).decode("utf-8", "replace").split("\n")
    return [Allowed(*fields) for line in lines if len(fields := line.split("\t")) == 5 and fields[4] in METHODS]


def shown(alias: str) -> str:
    """What the dialog shows for a context of this alias: "" where nothing, or not the same, is allowed there."""
    methods = {one.method for one in load() if alias and one.alias == alias}
    return methods.pop() if len(methods) == 1 else ""


def of(context: str, server: str, authority: str) -> str:
    """What is allowed for this very cluster, "" where nothing was said."""
    cluster = (context, server, authority)
    return next((one.method for one in load() if one.cluster() == cluster), "")


def change(given: Allowed, *, remove: bool = False) -> bool:
    """Keeps a consent in the place of an earlier one for the same cluster, or takes that away; whether there was one.
    ConfigError where it cannot be written.
    """
    from k8s_extcap.edge import lock

    fields = (given.alias, *given.cluster(), given.method)
    if any(set("\t\n\r") & set(field) for field in fields):
        raise ConfigError(f"The name of context {given.context!r} has a character that cannot be kept. Rename it.")
    try:
        folders.ensure(folders.config())
        with lock.alone(path() + ".lock"):
            known = load()
            kept = [one for one in known if one.cluster() != given.cluster()]
            if not remove:
                kept.append(given)
            lines = ["\t".join((one.alias, *one.cluster(), one.method)) + "\n" for one in kept]
            folders.write(path(), "".join(lines).encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"{path()} could not be written ({error.strerror}). Make its folder writable.") from error
    return any(one.cluster() == given.cluster() for one in known)
