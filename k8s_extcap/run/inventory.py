"""What of ours is in a cluster now, whose it is, since when, and when it ends by itself. Looks at everybody's."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import beside, ephemeral, helper
from k8s_extcap.model.errors import RefusedError
from k8s_extcap.model.objects import Container, ContainerStatus, ListMeta, Meta
from k8s_extcap.run import janitor, journal, owner

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """`what` for people, `whose` as `user@machine` ("" where nobody is named), `since` and `ends` as sentences' parts.
    `mine`: made by this user on this machine. `alive`: its capture still runs, None where that cannot be known here.
    """

    what: str
    whose: str
    since: str
    ends: str
    mine: bool
    alive: bool | None

    def spoken(self) -> str:
        who = f" of {self.whose}" if self.whose else ""
        runs = {True: ", whose capture runs", False: ", whose capture is gone", None: ""}[self.alive]
        return f"{self.what}{who}{runs}, since {self.since}; {self.ends}"


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    ephemeral_containers: tuple[Container, ...] = ()


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    start_time: str = ""
    completion_time: str = ""
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


class _Found(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()
    spec: _Spec = _Spec()
    status: _Status = _Status()


class _Page(msgspec.Struct, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[_Found, ...] = ()


def objects(session: Session, namespaces: tuple[str, ...] = ()) -> Iterator[Item]:
    """Jobs and pods of ours: in these namespaces, or everywhere where that may be listed, else in the session's own.
    And our ephemeral containers, in these namespaces or the session's own, as all pods are looked at for them. What may
    not be listed is not there for this user.
    """
    for job in _list(session, "/apis/batch/v1", "jobs", helper.SELECTOR, namespaces):
        yield _item(session, "job", job)
    for pod in _list(session, "/api/v1", "pods", helper.SELECTOR, namespaces):
        if not pod.metadata.owner_references:  # a Job's own is told with it
            yield _item(session, "pod", pod)
    for pod in _list(session, "/api/v1", "pods", "", namespaces or (session.namespace,)):
        yield from _containers(session, pod)


def journals() -> Iterator[str]:
    """Captures of this machine that have something to undo, or had it and died."""
    for path in journal.rest(journal.folder()):
        found = journal.read(path)
        things = [str(e.undo.get("what", "something")) for e in found.entries if not e.done]
        if not things:
            continue
        runs = owner.is_ours(found.owner) and owner.alive(found.owner)
        state = "runs and will undo" if runs else "is gone; 'k8s-extcap cleanup' undoes"
        yield f"Capture {found.capture} in context {found.context} {state}: {', '.join(things)}"


def _list(session: Session, base: str, kind: str, selector: str, namespaces: tuple[str, ...]) -> Iterator[_Found]:
    params: dict[str, str | int | bool] = {"labelSelector": selector} if selector else {}
    for namespace in namespaces or ("", session.namespace):
        where = f"/namespaces/{namespace}" if namespace else ""
        try:
            for page in session.api.pages(f"{base}{where}/{kind}", _Page, params):
                yield from page.items
        except RefusedError as error:
            _log.info("not looked at: %s", error)
            continue
        if not namespace:
            return  # that was everywhere


def _item(session: Session, kind: str, found: _Found) -> Item:
    meta, spec, status = found.metadata, found.spec, found.status
    made = meta.annotations.get(owner.ANNOTATION, "")
    mine = owner.is_ours(made)
    began = janitor.epoch(status.start_time or meta.creation_timestamp)
    last = _clock(began + spec.active_deadline_seconds) if spec.active_deadline_seconds else ""
    after = spec.ttl_seconds_after_finished
    over = bool(status.completion_time) or status.phase in ("Succeeded", "Failed")
    if over and after is not None:
        ends = f"it has ended and is deleted {after} s later"
    elif over:
        ends = "it has ended, its entry stays until somebody deletes it"
    elif kind == "job":
        ends = f"it ends {helper.IDLE} s after its last capture, at the latest {last}, and is deleted then"
    else:
        ends = f"it ends at the latest {last}" if last else "it does not end by itself"
    return Item(
        what=f"{kind} {meta.namespace}/{meta.name}",
        whose=made.partition("~")[0].partition("/")[0],
        since=_since(session, meta.creation_timestamp),
        ends=ends,
        mine=mine,
        alive=owner.alive(made) if mine else None,
    )


def _containers(session: Session, pod: _Found) -> Iterator[Item]:
    """Nobody's name stands in them, as a container has no annotations."""
    states = {status.name: status.state for status in pod.status.ephemeral_container_statuses}
    for container in pod.spec.ephemeral_containers:
        if not container.name.startswith(ephemeral.PREFIX):
            continue
        state = states.get(container.name)
        if state is not None and state.terminated is not None:
            ends = "it has ended, its entry stays until the pod is deleted"
            since = _since(session, state.terminated.started_at)
        else:
            ends = f"it ends {beside.IDLE} s after its last capture, its entry stays until the pod is deleted"
            since = _since(session, state.running.started_at if state and state.running else "")
        what = f"ephemeral container {container.name} in pod {pod.metadata.namespace}/{pod.metadata.name}"
        yield Item(what, "", since, ends, mine=False, alive=None)


def _since(session: Session, timestamp: str) -> str:
    """By the server's clock."""
    then = janitor.epoch(timestamp)
    if not then:
        return "a moment"
    return f"{_clock(then)} ({_amount(session.api.now() - then)} ago)"


def _clock(then: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(then))


def _amount(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
