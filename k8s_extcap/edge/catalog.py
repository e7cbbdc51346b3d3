"""What is listed: sentences rendered beforehand, and which cluster each of them means. The reader is on the hot lane.

    cache()/catalog/KEY/list      one header line, then the answer as it is printed
                       /origins   a line per name that was listed lately: the cluster it was listed from
                       /shown/    by running program: its version, and the context whose rows it was given
                       /started   when a refresher was started last, and for which kubeconfig
                       /status    the last refresh in words, for doctor

KEY tells kubeconfigs apart (`default`, or a digest of $KUBECONFIG), so that two terminals do not take turns in
showing each other's pods. All files are replaced whole, 0600 in folders 0700.
"""

from __future__ import annotations

import sys
import time

from k8s_extcap.edge import folders
from k8s_extcap.edge.folders import system

MAGIC = "k8s-extcap-catalog-1"
LIMIT = 4 * 1024 * 1024  # bytes of a file of ours that is read: 10,000 rows
INTERVAL = 30  # seconds between two refreshes
ANYBODY = "anybody"  # a program that the system does not tell from others
LONGEST = 3600  # seconds of the longest back-off; a time further ahead was written by a wrong clock


class Header:
    """First line of `list`. `due` is when it may be refreshed (epoch seconds), `stamp` the kubeconfig it was made of,
    `context` and `alias` that kubeconfig's current one.
    """

    __slots__ = ("alias", "context", "due", "stamp")

    def __init__(self, due: int, stamp: str, context: str, alias: str) -> None:
        self.due = due
        self.stamp = stamp
        self.context = context
        self.alias = alias


class Origin:
    """The cluster that an interface was listed from. `alias` names its context in the option store."""

    __slots__ = ("alias", "ca_digest", "context", "interface", "listed", "namespace", "server")

    def __init__(
        self, interface: str, context: str, alias: str, server: str, ca_digest: str, namespace: str, listed: int
    ) -> None:
        self.interface = interface
        self.context = context
        self.alias = alias
        self.server = server
        self.ca_digest = ca_digest
        self.namespace = namespace
        self.listed = listed


def folder() -> str:
    return f"{folders.cache()}/catalog/{_key(folders.variable('KUBECONFIG'))}"


def _key(text: str) -> str:
    """FNV-1a, 64 bits: `hashlib` costs a third of an interpreter."""
    if not text:
        return "default"
    value = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogateescape"):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def stamp() -> str:
    """What the kubeconfig files look like from outside: any edit, also `kubectl config use-context`, changes it."""
    config = folders.variable("KUBECONFIG")
    separator = ";" if sys.platform == "win32" else ":"
    paths = config.split(separator) if config else [f"{folders.home()}/.kube/config"]
    seen = []
    for path in paths:
        try:
            found = system.stat(path)
            seen.append(f"{found.st_mtime_ns:x}.{found.st_size:x}.{found.st_ino:x}")
        except (OSError, ValueError):
            seen.append("-")
    return ",".join(seen)


def load() -> tuple[Header | None, str]:
    """The header and the answer; None and "" where nothing was ever written, or by another version."""
    first, _, body = _text(folder() + "/list").partition("\n")
    found = _header(first)
    return found, body if found else ""


def header() -> Header | None:
    """The header alone."""
    return _header(_text(folder() + "/list", 4096).partition("\n")[0])


def _header(line: str) -> Header | None:
    fields = [_unescape(field) for field in line.split("\t")]
    due = folders.number(fields[1]) if len(fields) == 5 and fields[0] == MAGIC else None
    if due is None:
        return None
    return Header(due, fields[2], fields[3], fields[4])


def store(header: Header, answer: str) -> None:
    fields = (MAGIC, str(header.due), header.stamp, header.context, header.alias)
    line = "\t".join(_escape(field) for field in fields)
    folders.write(folders.ensure(folder()) + "/list", f"{line}\n{answer}".encode("utf-8", "replace"))


def sentence(answer: str, interface: str) -> str:
    """The line of one interface in an answer, "" where it is not listed."""
    mark = f"interface {{value={interface}}}"
    start = 0 if answer.startswith(mark) else answer.find("\n" + mark) + 1
    if not start and not answer.startswith(mark):
        return ""
    return answer[start : answer.find("\n", start) + 1]


def origin(interface: str) -> Origin | None:
    """Which cluster this name was listed from; None for a name that was never listed (lately). Where several contexts
    have it, the one whose list the program that started us was shown, else the one listed last.
    """
    text = "\n" + _text(folder() + "/origins")
    found: list[Origin] = []
    start = text.find(f"\n{interface.lower()}\t") + 1
    while start:
        one = _origin(text[start : text.find("\n", start)])
        if one is not None:
            found.append(one)
        start = text.find(f"\n{interface.lower()}\t", start) + 1
    if len(found) > 1:
        from k8s_extcap.edge import host

        _, shown = shown_to(host.identity())
        found.sort(key=lambda origin: origin.context != shown)  # stable: the newest stays in front of the others
    return found[0] if found else None


def show(program: str, version: str, context: str) -> None:
    """Remembers which context's rows a running program (its `host.identity`) was given, and its version. OSError.

    Where nobody tells programs apart (""), the last one's version counts for all.
    """
    text = f"{version if version.replace('.', '').isdigit() else ''}\t{context if program else ''}"
    path = f"{folder()}/shown/{program or ANYBODY}"
    if _text(path, 4096) != text:
        folders.ensure(folder() + "/shown")
        folders.write(path, text.encode("utf-8", "replace"))


def shown_to(program: str) -> tuple[str, str]:
    """The version of that program and the context whose rows it was given; "" for what is not known."""
    version, _, context = _text(f"{folder()}/shown/{program or ANYBODY}", 4096).partition("\t")
    return version, context


def origins() -> list[Origin]:
    return [found for line in _text(folder() + "/origins").splitlines() if (found := _origin(line))]


def store_origins(known: list[Origin]) -> None:
    lines = []
    for one in known:
        fields = (one.interface, one.context, one.alias, one.server, one.ca_digest, one.namespace, str(one.listed))
        lines.append("\t".join(_escape(field) for field in fields) + "\n")
    folders.write(folders.ensure(folder()) + "/origins", "".join(lines).encode("utf-8", "replace"))


def _origin(line: str) -> Origin | None:
    fields = [_unescape(field) for field in line.split("\t")]
    listed = folders.number(fields[6]) if len(fields) == 7 else None
    if listed is None:
        return None
    return Origin(fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], listed)


def stale(header: Header | None, current: str) -> bool:
    """Whether a refresh is due; `current` is the kubeconfig's stamp now."""
    if header is None or header.stamp != current:
        return True
    return not 0 < header.due - time.time() <= LONGEST + INTERVAL


def claim(current: str) -> bool:
    """Whether a refresher may be started now: none was in the last 30 s for this kubeconfig. Records that one is."""
    path = folder() + "/started"
    said = folders.read(path, 4096).decode("utf-8", "replace")
    at, _, seen = said.partition("\t")
    began = folders.number(at)
    if began is not None and seen == current and 0 <= time.time() - began < INTERVAL:
        return False
    folders.ensure(folder())
    folders.write(path, f"{int(time.time())}\t{current}".encode())
    return True


def _text(path: str, limit: int = LIMIT) -> str:
    return folders.read(path, limit).decode("utf-8", "replace")


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\t", "%09").replace("\n", "%0A").replace("\r", "%0D")


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%09", "\t").replace("%25", "%")
