"""Finds what an interface's name means in the cluster, and waits for it where waiting helps.

Rights in one namespace only are the normal case: a workload or node that may not be read is no reason to give up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TypeVar

from k8s_extcap.kube.api import Api, Params
from k8s_extcap.kube.connect import Session
from k8s_extcap.model import paths
from k8s_extcap.model.errors import RefusedError, TargetError, UsageError
from k8s_extcap.model.ids import KINDS, Name, identity_digest
from k8s_extcap.model.objects import Node, Pod, PodList, Service, Workload, WorkloadList
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.select import pods as about
from k8s_extcap.select import targets
from k8s_extcap.select.rows import shown

_log = logging.getLogger(__name__)
T = TypeVar("T")

POLL = 1.0  # seconds between two looks at a pod that does not run yet; kubelets report about that often


def resolve(session: Session, request: CaptureRequest) -> tuple[Target, str]:
    """The target and a sentence about how it was found ("" where the name said it all). Blocks up to the request's
    `wait`. TargetError, UsageError, and what the API refuses.
    """
    name, api = request.target, session.api
    if name.kind == "browse":
        raise UsageError("Choose what to capture in the options of this interface (the gear beside its name).")
    if name.kind == "node":
        return _node(session, name), ""
    namespace = name.namespace or session.namespace
    name = Name(name.kind, namespace, name.name, name.container, name.alias, name.digest)
    container = name.container or request.container
    patience = None if request.method == "copy" else request.connection.wait  # a copy is made of any pod
    if name.digest:
        name, container = _undigested(api, name, container)
    if name.kind in ("pod", "container"):
        pod = _waited(api, name, container, patience)
        return targets.pod_target(pod, session.context, container), ""
    pod, sentence = _one_of(api, name, container, patience)
    return targets.pod_target(pod, session.context, container), sentence


def _node(session: Session, name: Name) -> Target:
    try:
        session.api.get_as(paths.one("node", "", name.name), Node)
    except RefusedError as error:
        if error.status == 404:
            raise TargetError(
                f"There is no node {name.name} in context {session.context}. 'k8s-extcap list' shows what there is."
            ) from error
        if error.status != 403:
            raise
        _log.info("node %s may not be read; taken at its word", name.name)
    return Target(session.context, "", Pod(), node=name.name, is_node=True)


def _waited(api: Api, name: Name, container: str, patience: float | None) -> Pod:
    """The pod, once it can be captured; as it is where `patience` is None."""
    path = paths.one("pod", name.namespace, name.name)
    deadline = time.monotonic() + (patience or 0.0)
    while True:
        try:
            pod = api.get_as(path, Pod)
        except RefusedError as error:
            if error.status != 404:
                raise
            raise targets.gone(name, _present(api, name)) from error
        reason = about.unfit(pod, container, leaving=True)
        if not reason or patience is None:
            return pod
        if not about.hopeful(pod, container):
            if container and container not in about.containers(pod):
                return pod  # refused with the names that it has
            raise TargetError(f"{_capital(name)} cannot be captured: it is {about.state(pod)}. Choose one that runs.")
        if time.monotonic() >= deadline:
            raise TargetError(
                f"{_capital(name)} cannot be captured after {patience:.0f} s of waiting: {reason}. "
                "'kubectl describe pod' tells more; the option --wait allows more time."
            )
        time.sleep(POLL)


def _present(api: Api, name: Name) -> list[Pod]:
    """Pods of the namespace for a better error; none where they may not be listed."""
    try:
        return list(_pods(api, name.namespace))
    except RefusedError:
        return []


def _undigested(api: Api, name: Name, container: str) -> tuple[Name, str]:
    """The identity of a name that was too long to be written out."""
    if name.kind not in ("pod", "container"):
        found = _named_by_digest(api, name)
        return Name(name.kind, name.namespace, found, alias=name.alias), container
    match = targets.by_digest(name, _pods(api, name.namespace))
    if match is None:
        raise TargetError(f"{_capital(name)} is not there (any more): no name in the namespace has this digest.")
    pod, inside = match
    return Name(name.kind, name.namespace, pod.metadata.name, inside, name.alias), inside or container


def _named_by_digest(api: Api, name: Name) -> str:
    for page in api.pages(paths.collection(name.kind, name.namespace), WorkloadList):
        for item in page.items:
            if identity_digest(name.kind, name.namespace, item.metadata.name, "") == name.digest:
                return item.metadata.name
    raise TargetError(f"{_capital(name)} is not there (any more): no name in the namespace has this digest.")


def _one_of(api: Api, name: Name, container: str, patience: float | None) -> tuple[Pod, str]:
    """One pod of a workload, Service or namespace, once one can be captured."""
    deadline = time.monotonic() + (patience or 0.0)
    selector, owned = _selector(api, name)
    while True:
        candidates = [
            pod
            for pod in _pods(api, name.namespace, selector)
            if not owned or about.workload(pod) == (name.kind, name.name)
        ]
        chosen, sentence = targets.choose(name, candidates, container)
        if chosen is not None:
            return chosen, sentence
        hopeful = any(about.hopeful(pod, container) for pod in candidates)
        if not hopeful or time.monotonic() >= deadline:
            raise TargetError(f"{sentence} 'k8s-extcap list' shows what there is.")
        time.sleep(POLL)


def _selector(api: Api, name: Name) -> tuple[str, bool]:
    """A label selector for the name's pods, and whether their owner has to be looked at, where it may not be read."""
    if name.kind == "ns":
        return "", False
    path = paths.one(name.kind, name.namespace, name.name)
    if name.kind == "svc":
        selector = _found(api, path, Service, name).spec.selector
        if not selector:
            raise TargetError(
                f"{_capital(name)} selects no pods itself: its endpoints are made elsewhere. Name a pod instead."
            )
        return ",".join(f"{key}={value}" for key, value in selector.items()), False
    try:
        workload = _found(api, path, Workload, name)
    except RefusedError as error:
        if error.status != 403:
            raise
        _log.info("%s may not be read; its pods are known by their owner", name.spoken())
        return "", True
    # A Deployment without a selector cannot exist (apps/v1 requires one); this is for a server that is none.
    return (targets.label_selector(workload.spec.selector), False) if workload.spec.selector else ("", True)


def _found(api: Api, path: str, kind: type[T], name: Name) -> T:
    try:
        return api.get_as(path, kind)
    except RefusedError as error:
        if error.status != 404:
            raise
        raise TargetError(f"There is no {name.spoken()}. 'k8s-extcap list' shows what there is.") from error


def _pods(api: Api, namespace: str, selector: str = "") -> Iterator[Pod]:
    params: Params = {"labelSelector": selector} if selector else {}
    for page in api.pages(paths.collection("pod", namespace), PodList, params):
        yield from page.items


def _capital(name: Name) -> str:
    """For the start of a sentence; a name of 253 characters would leave no room for what is wrong with it."""
    short = Name(name.kind, name.namespace, shown(name.name), name.container, digest=name.digest)
    kind = KINDS.get(name.kind, name.kind)
    return kind + short.spoken()[len(kind) :]
