"""The cluster's objects with their versions, and the changes that watchers wait for."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from testbed.demo import status
from testbed.demo.resources import Resource

Object = dict[str, Any]
# Old changes are forgotten, as etcd's are by compaction: a watch from before them ends in 410.
HISTORY = 5_000


def now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Change(NamedTuple):
    version: int
    type: str
    resource: Resource
    object: Object


class _Stored:
    """An object that nobody changes any more, and its JSON once somebody has asked for it."""

    __slots__ = ("_raw", "object")

    def __init__(self, obj: Object) -> None:
        self.object = obj
        self._raw = b""

    @property
    def raw(self) -> bytes:
        self._raw = self._raw or dump(self.object)
        return self._raw


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def with_kind(resource: Resource, stored: Object) -> Object:
    """Single objects carry their kind; items of a list do not (the server's own habit)."""
    return {"kind": resource.kind, "apiVersion": resource.api_version, **stored}


def _filled(obj: Object, **more: str) -> Object:
    """What the server adds to a new object's metadata, in its order of keys."""
    meta = obj["metadata"]
    added: dict[str, Any] = {"uid": str(uuid.uuid4()), **more}
    added |= {"generation": meta["generation"]} if "generation" in meta else {}
    added |= {"creationTimestamp": now()}
    first = {key: meta[key] for key in ("name", "generateName", "namespace") if key in meta}
    rest = {key: value for key, value in meta.items() if key not in first and key not in added}
    return {"metadata": {**first, **added, **rest}, **{key: value for key, value in obj.items() if key != "metadata"}}


def preview(obj: Object) -> Object:
    """What a dry run answers: all but a version."""
    return _filled(obj)


class Store:
    def __init__(self) -> None:
        self.version = 1000
        self._stored: dict[Resource, dict[tuple[str, str], _Stored]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._oldest = self.version
        self._changed = asyncio.Event()

    # reading

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self.find(resource, namespace, name)
        if found is None:
            raise status.not_found(resource.plural, name, resource.group)
        return found

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """A copy, or None."""
        stored = self._stored.get(resource, {}).get((namespace, name))
        return copy.deepcopy(stored.object) if stored else None

    def rows(self, resource: Resource, namespace: str = "") -> list[tuple[tuple[str, str], Object]]:
        """Key and object (do not change it), ordered as etcd orders its keys."""
        table = self._stored.get(resource, {})
        keys = sorted(table, key=lambda key: f"{key[0]}/{key[1]}")
        return [(key, table[key].object) for key in keys if not namespace or key[0] == namespace]

    def raw(self, resource: Resource, key: tuple[str, str]) -> bytes:
        """An object's JSON; made once, since ten thousand of them are listed again and again."""
        return self._stored[resource][key].raw

    # writing

    def load(self, resource: Resource, obj: Object) -> None:
        """Add an object that is nobody else's, without a copy: for ten thousand of them at the start."""
        obj = _filled(obj, resourceVersion=str(self.version))
        meta = obj["metadata"]
        self._stored.setdefault(resource, {})[meta.get("namespace", ""), meta["name"]] = _Stored(obj)

    def add(self, resource: Resource, obj: Object) -> Object:
        """Store a new object; fills in uid, creation time and version."""
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._stored.get(resource, {}):
            raise status.already_exists(resource.plural, meta["name"], resource.group)
        return self._put("ADDED", resource, key, _filled(obj, resourceVersion=""))

    def replace(self, resource: Resource, obj: Object) -> Object:
        meta = obj["metadata"]
        return self._put("MODIFIED", resource, (meta.get("namespace", ""), meta["name"]), obj)

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        stored = self._stored[resource].pop((namespace, name))
        return self._note("DELETED", resource, copy.deepcopy(stored.object)).object

    def _put(self, kind: str, resource: Resource, key: tuple[str, str], obj: Object) -> Object:
        change = self._note(kind, resource, copy.deepcopy(obj))
        self._stored.setdefault(resource, {})[key] = _Stored(change.object)
        return copy.deepcopy(change.object)

    def _note(self, kind: str, resource: Resource, obj: Object) -> Change:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        if len(self._history) == HISTORY:
            self._oldest = self._history[0].version
        change = Change(self.version, kind, resource, obj)
        self._history.append(change)
        self._changed.set()
        self._changed = asyncio.Event()
        return change

    # watching

    def is_gone(self, version: int) -> bool:
        """Whether changes after this version have been forgotten."""
        return version < self._oldest

    def forget(self) -> None:
        """Compaction: a watch or a continue token from before now is too old."""
        self._history.clear()
        self.version += 1
        self._oldest = self.version

    def since(self, version: int) -> Iterator[Change]:
        return (change for change in self._history if change.version > version)

    async def changed(self, timeout: float) -> bool:
        """Wait for the next change; False after `timeout` seconds without one."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout)
        except TimeoutError:
            return False
        return True
