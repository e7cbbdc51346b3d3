"""What a capture is about to do, on disk before it does it, so that any other process can undo it.

A journal is a file of JSON lines, `state/journal/ID.jsonl`, 0600: how to reach the cluster and who we are, then an
intent before each deed, what was learned from its answer, and what has been undone. Names are chosen before the call,
so an intent can be undone although its answer was lost. A journal that is finished is removed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from k8s_extcap.edge import folders
from k8s_extcap.kube.connect import Session
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.objects import UNREADABLE
from k8s_extcap.model.plan import ExecSpec
from k8s_extcap.model.request import Connection
from k8s_extcap.run import owner

SIZE = 1 << 20  # bytes of a journal that are read: a capture writes some hundred bytes for each of its deeds


def folder() -> str:
    return folders.state() + "/journal"


def delete(path: str, what: str) -> dict[str, Any]:
    """The intent to create the object at `path`: undone by deleting it, if it is ours."""
    return {"do": "delete", "path": path, "what": what}


def remove(spec: ExecSpec) -> dict[str, Any]:
    """The intent to write files into a container: undone by removing them, should the guard have been killed."""
    return {
        "do": "remove",
        "namespace": spec.namespace,
        "pod": spec.pod,
        "container": spec.container,
        "files": [u.path for u in spec.uploads],
        "what": f"uploaded files in pod {spec.namespace}/{spec.pod}",
    }


@dataclass(slots=True)
class Entry:
    """One intent. `uid`: of the object created, "" while its answer has not come."""

    number: int
    undo: dict[str, Any]
    uid: str = ""
    done: bool = False


@dataclass(slots=True)
class Contents:
    """A journal as read from disk. A last line that is cut was never followed by its deed."""

    capture: str = ""
    owner: str = ""
    kubeconfig: str = ""
    context: str = ""
    proxy: str = ""
    server: str = ""
    ca: str = ""
    entries: list[Entry] = field(default_factory=list)

    def connection(self, proxy: str = "") -> Connection:
        """`proxy`: with the password that is not written down."""
        return Connection(kubeconfig=self.kubeconfig, context=self.context, proxy=proxy or self.proxy)


class Journal:
    """The journal of a running capture. Each write is on disk when its call returns."""

    def __init__(self, path: str, capture: str) -> None:
        self.path = path
        self.capture = capture
        self.proxy = ""  # with a password: then it is told to the reaper only
        self.entries: list[Entry] = []
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        self._handle = os.open(path, flags, 0o600)

    def intend(self, undo: dict[str, Any]) -> int:
        """Writes down how to undo what comes next; gives the record's number."""
        entry = Entry(len(self.entries), undo)
        self.entries.append(entry)
        self._write({"n": entry.number, "undo": undo})
        return entry.number

    def learn(self, number: int, uid: str) -> None:
        self.entries[number].uid = uid
        self._write({"n": number, "uid": uid})

    def done(self, number: int) -> None:
        """The deed has been undone."""
        self.entries[number].done = True
        self._write({"n": number, "done": True})

    def close(self) -> None:
        """Ends the journal: there is nothing left to undo."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)
            Path(self.path).unlink(missing_ok=True)

    def _write(self, record: dict[str, Any]) -> None:
        if self._handle < 0:
            return
        line = msgspec.json.encode(record) + b"\n"
        while line:
            line = line[os.write(self._handle, line) :]
        os.fsync(self._handle)


def open(capture: str, session: Session) -> Journal:  # noqa: A001 (journal.open reads as what it is)
    """A new journal. ConfigError where it cannot be on disk: then no deed may follow."""
    try:
        return _begun(capture, session)
    except OSError as error:
        raise ConfigError(
            f"The journal in {folder()} cannot be written ({error.strerror}), and without it nothing is made in a "
            "cluster. Make that folder writable, or set K8S_EXTCAP_HOME to one that is."
        ) from error


def _begun(capture: str, session: Session) -> Journal:
    journal = Journal(f"{folders.ensure(folder())}/{capture}.jsonl", capture)
    connection = session.connection
    bare = _bare(connection.proxy)
    journal.proxy = connection.proxy if bare != connection.proxy else ""
    journal._write(  # noqa: SLF001
        {
            "capture": capture,
            "owner": owner.me(),
            "kubeconfig": _absolute(connection.kubeconfig or os.environ.get("KUBECONFIG", "")),
            "context": session.context,
            "proxy": bare,
            "server": session.server,
            "ca": session.ca_digest,
        }
    )
    _sync_folder(folder())
    return journal


def _bare(proxy: str) -> str:
    """Without user and password."""
    parts = urlsplit(proxy)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _absolute(kubeconfig: str) -> str:
    """Who reads the journal stands in another folder."""
    paths = [Path(path).expanduser().absolute() for path in kubeconfig.split(os.pathsep) if path]
    return os.pathsep.join(map(str, paths))


def _sync_folder(path: str) -> None:
    """The file's name is on disk only when its folder is (fsync(2))."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: str) -> Contents:
    """The journal at `path`; empty where it cannot be read. Lines that are no JSON are skipped."""
    found = Contents()
    for line in folders.read(path, SIZE).split(b"\n"):
        try:
            record = msgspec.json.decode(line)
        except UNREADABLE:  # after a crash, for example
            continue
        if isinstance(record, dict):
            _apply(found, record)
    return found


def _apply(found: Contents, record: dict[str, Any]) -> None:
    if "capture" in record:
        for name in ("capture", "owner", "kubeconfig", "context", "proxy", "server", "ca"):
            setattr(found, name, str(record.get(name, "")))
        return
    number = record.get("n")
    if isinstance(record.get("undo"), dict) and number == len(found.entries):
        found.entries.append(Entry(number, record["undo"]))
    elif isinstance(number, int) and 0 <= number < len(found.entries):
        entry = found.entries[number]
        entry.uid = str(record.get("uid", entry.uid))
        entry.done = entry.done or record.get("done") is True


def rest(path: str) -> list[str]:
    """Paths of all journals in the folder of the journals."""
    try:
        return sorted(str(p) for p in Path(path).iterdir() if p.name.endswith(".jsonl"))
    except OSError:
        return []
