"""Reads what is listed from one cluster: paged, projected to a few fields, no more kept than is shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from k8s_extcap.edge.settings import Settings
from k8s_extcap.kube.api import Api
from k8s_extcap.kube.connect import Session
from k8s_extcap.model import paths
from k8s_extcap.model.errors import RefusedError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import NodeList, Pod, PodList, WorkloadList
from k8s_extcap.select import rows
from k8s_extcap.select.rows import Best, Pods, Row

_log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds for all lists together; what was read until then is shown


class Gathered(NamedTuple):
    """`seen` counts the rows there could be; `remark` is why a part is missing, "" if none is."""

    rows: list[Row]
    seen: int
    remark: str


def gather(session: Session, wanted: Settings, used: Iterable[Name]) -> Gathered:
    """What is listed of a cluster, favourites and recents (`used`) first. A refusal is raised only if nothing at all
    could be read: rights for a part are the normal case.
    """
    deadline = time.monotonic() + PATIENCE
    kept: dict[Name, Row] = {}
    for name in dict.fromkeys(used):
        row = _used(session.api, name)
        if row and len(kept) < wanted.limit:
            kept[name] = row
    best = Best(wanted.limit)  # those that are kept anyway may be among them
    refusals: list[RefusedError] = []
    read = 0
    for kind, namespace in _lists(wanted, session.namespace):
        try:
            for row in _rows(session.api, kind, namespace):
                best.offer(row)
                if best.seen % 500 == 0 and time.monotonic() > deadline:
                    _log.warning("the list of %s was not read to its end within %.0f s", kind, PATIENCE)
                    break
            read += 1
        except RefusedError as error:
            refusals.append(error)
    if refusals and not read and not kept:
        raise refusals[0]
    for row in best.rows():
        if len(kept) < wanted.limit or row.name in kept:
            kept[row.name] = row
    return Gathered(list(kept.values()), best.seen, refusals[0].sentence if refusals else "")


def _lists(wanted: Settings, own: str) -> Iterator[tuple[str, str]]:
    """Kind and namespace of each list to read, the most wanted first."""
    for kind in wanted.kinds:
        if kind in ("ns", "node"):
            yield kind, ""
        else:
            for namespace in dict.fromkeys((own, *wanted.namespaces)):
                yield kind, namespace


def _rows(api: Api, kind: str, namespace: str) -> Iterator[Row]:
    if kind in ("pod", "container"):
        projected = Pods(by_container=kind == "container")
        for pods in api.pages(paths.collection(kind, namespace), PodList):
            for pod in pods.items:
                yield from projected.rows(pod)
    elif kind == "node":
        for nodes in api.pages(paths.collection(kind), NodeList):
            yield from map(rows.node, nodes.items)
    else:
        for page in api.pages(paths.collection(kind, namespace), WorkloadList):
            yield from (rows.workload(kind, item) for item in page.items)


def _used(api: Api, name: Name) -> Row | None:
    """A favourite or recent as it is now; None for a pod that is gone. One that may not be read stays, as it was."""
    if name.kind not in ("pod", "container") or name.digest:
        return rows.remembered(name)
    try:
        pod = api.get_as(paths.one("pod", name.namespace, name.name), Pod)
    except RefusedError as error:
        return None if error.status == 404 else rows.remembered(name)
    if name.kind == "pod":
        return rows.pod(pod)
    return next((row for row in rows.containers(pod) if row.name == name), None)
