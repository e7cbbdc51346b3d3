"""API objects -> rows of the interface list: a name, and words for people. Pure; memory is what is kept.

What tells pods apart comes first, then namespace, state, address, and the context where there are several.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from k8s_extcap.model.ids import KINDS, Name
from k8s_extcap.model.objects import Node, Pod, Workload
from k8s_extcap.select import pods as about

NAME_SHOWN = 100  # characters of a name; what is cut goes from its middle, for names differ at their end


class Row(NamedTuple):
    """`rank` orders what is kept when there is too much; the host sorts what it shows by value."""

    rank: tuple[int, int, str]
    name: Name
    words: tuple[str, ...]

    def display(self, context: str = "") -> str:
        """Always several words: a single one on tshark's command line is then surely no display of ours."""
        return ", ".join((*self.words, context) if context else self.words)


def pod(item: Pod, nth: int = 0) -> Row:
    """`nth` is how many pods of the same owner were seen before: each workload's first pod comes before any second."""
    name = Name("pod", item.metadata.namespace, item.metadata.name)
    words = [shown(item.metadata.name), item.metadata.namespace, about.state(item), *item.ips[:1]]
    return Row((not about.ready(item), nth, item.metadata.name), name, tuple(words))


def containers(item: Pod, nth: int = 0) -> list[Row]:
    base = pod(item, nth)
    return [
        Row(base.rank, Name("container", item.metadata.namespace, item.metadata.name, c), (c, *base.words))
        for c in about.containers(item)
    ]


def workload(kind: str, item: Workload) -> Row:
    name = Name(kind, item.metadata.namespace, item.metadata.name)
    if kind == "ns":
        name = Name("ns", item.metadata.name)
        return Row((0, 0, item.metadata.name), name, (shown(item.metadata.name), "Namespace"))
    words = (shown(item.metadata.name), item.metadata.namespace, KINDS[kind])
    return Row((0, 0, item.metadata.name), name, words)


def node(item: Node) -> Row:
    ready = next((c.status for c in item.status.conditions if c.type == "Ready"), "")
    words = [shown(item.metadata.name), "Node", "ready" if ready == "True" else "not ready"]
    addresses = [a.address for a in item.status.addresses if a.type == "InternalIP"]
    return Row((0, 0, item.metadata.name), Name("node", name=item.metadata.name), (*words, *addresses[:1]))


def remembered(name: Name) -> Row:
    """A row known from earlier only: a favourite, or what was captured lately."""
    what = [name.container, shown(name.name), name.namespace] if name.name else [name.namespace]
    words = [word for word in what if word] + ([KINDS[name.kind]] if name.kind not in ("pod", "container") else [])
    return Row((0, 0, name.name), name, (*words, "captured lately"))


def shown(name: str) -> str:
    if len(name) <= NAME_SHOWN:
        return name
    head = NAME_SHOWN // 2
    return f"{name[:head]}…{name[head + 1 - NAME_SHOWN :]}"


class Best:
    """The `limit` rows of the smallest rank among any number offered, and how many there were."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[_Worst] = []
        self.seen = 0

    def offer(self, row: Row) -> None:
        self.seen += 1
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, _Worst(row))
        elif self._heap and row.rank < self._heap[0].row.rank:
            heapq.heapreplace(self._heap, _Worst(row))

    def rows(self) -> list[Row]:
        return sorted((worst.row for worst in self._heap), key=lambda row: row.rank)


class _Worst:
    """A row whose order is turned round, for `heapq` keeps the smallest on top."""

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row

    def __lt__(self, other: _Worst) -> bool:
        return self.row.rank > other.row.rank


class Pods:
    """Turns the pods of a list, in the API's order, into rows: without helpers of ours and those that ended."""

    def __init__(self, *, by_container: bool = False) -> None:
        self._by_container = by_container
        self._owner = ""
        self._nth = 0

    def rows(self, item: Pod) -> list[Row]:
        if about.ours(item) or about.ended(item):
            return []
        # The API lists by name, so pods of one ReplicaSet, StatefulSet or Job follow each other.
        owner = next((o.uid for o in item.metadata.owner_references if o.controller), item.metadata.name)
        self._nth = self._nth + 1 if owner == self._owner else 0
        self._owner = owner
        return containers(item, self._nth) if self._by_container else [pod(item, self._nth)]
