"""What the last refresh of each context brought: its rows, and in words why there are no newer ones.

`cache()/catalog/KEY/status`, JSON, 0600. The refresher renders the catalog from it; doctor reads it.
"""

from __future__ import annotations

import time

import msgspec

from k8s_extcap.edge import catalog, folders
from k8s_extcap.model.objects import UNREADABLE

BACK_OFF = (300, 900, 3600)  # seconds after the first, second and any further failure in a row


class Listed(msgspec.Struct, frozen=True):
    """A row: interface name without alias, and its display without the context."""

    interface: str
    display: str


class Cluster(msgspec.Struct):
    """A context as last seen. `checked` and `due` are epoch seconds; `error` is "" after a success, else a sentence;
    `seen` is how many pods there were, of which `rows` are the ones listed.
    """

    context: str
    alias: str
    namespace: str = ""
    server: str = ""
    ca_digest: str = ""
    rows: list[Listed] = []
    seen: int = 0
    checked: int = 0
    due: int = 0
    failures: int = 0
    error: str = ""

    def succeeded(self) -> None:
        self.checked, self.failures, self.error = int(time.time()), 0, ""
        self.due = self.checked + catalog.INTERVAL

    def failed(self, sentence: str, retry_after: float = 0.0) -> None:
        """What was known stays; the next try comes later each time, and not before the server wants it."""
        self.checked, self.error = int(time.time()), sentence
        pause = BACK_OFF[min(self.failures, len(BACK_OFF) - 1)]
        self.failures += 1
        self.due = self.checked + min(max(pause, int(retry_after)), catalog.LONGEST)


class Status(msgspec.Struct):
    """`error` is about the kubeconfig or the settings; `current` names the kubeconfig's current context."""

    clusters: dict[str, Cluster] = {}
    current: str = ""
    error: str = ""
    failures: int = 0
    checked: int = 0


def load() -> Status:
    content = folders.read(catalog.folder() + "/status", catalog.LIMIT)
    try:
        return msgspec.json.decode(content, type=Status)
    except UNREADABLE:
        return Status()  # never written, by another version, or damaged


def store(status: Status) -> None:
    folders.write(folders.ensure(catalog.folder()) + "/status", msgspec.json.encode(status))
