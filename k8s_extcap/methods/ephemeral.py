"""Method ephemeral: an ephemeral container beside the application, root, with the rights the namespace's policy admits.

Its image is the configured one, or the target's own: then no registry is needed, our tcpdump is uploaded into it. Its
command only waits, so that nothing happens if it is started twice; it ends itself when no capture used it for some
minutes. The API server never removes the entry from the pod's spec.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from k8s_extcap.methods import admission, beside, memory, programs, rights
from k8s_extcap.methods.inside import Program, exec_of
from k8s_extcap.model import paths
from k8s_extcap.model.plan import Binary, Facts, Plan, Step, Target, Tri, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "ephemeral"
PREFIX = "k8s-extcap-"  # names are generated: a name used before is accepted silently and changes nothing
AT_MOST = 3  # entries of ours in one pod; none can ever be removed
FOLDER = "/"  # its own root file system: always there, writable for root, and no memory of the pod


class Ready(NamedTuple):
    """What a plan needs. `existing` is a running container of ours to use again, "" where one is to be made."""

    image: str
    existing: str
    capabilities: tuple[str, ...]
    binary: Binary
    kib: int
    note: str
    certain: Tri


def _ours(target: Target) -> list[str]:
    return [c.name for c in target.pod.spec.ephemeral_containers if c.name.startswith(PREFIX)]


def _running(target: Target, capabilities: tuple[str, ...]) -> str:
    """One of ours that runs, is root and has the rights wanted: several captures may share it."""
    for container in target.pod.spec.ephemeral_containers:
        context = container.security_context
        if container.name in target.pod.running and container.name.startswith(PREFIX) and context:
            has = context.capabilities.add
            if context.run_as_user == 0 and set(capabilities) <= set(has):
                return container.name
    return ""


def _ready(request: CaptureRequest, target: Target, facts: Facts) -> Ready | Verdict:
    policy = admission.capabilities(facts)
    existing = _running(target, policy.add) if policy.usable is not False else ""
    lacking = rights.missing(facts, rights.EXEC if existing else rights.EPHEMERAL)
    if lacking:
        return Verdict(NAME, False, rights.spoken(lacking), rights.rule(lacking))
    if policy.usable is False:
        return Verdict(NAME, False, policy.sentence, policy.ask)
    if not existing and len(_ours(target)) >= AT_MOST:
        ask = "a restart of the pod, which removes them"
        return Verdict(NAME, False, f"it has {AT_MOST} ephemeral containers of k8s-extcap already", ask)
    image, why = beside.image_of(request, target, facts)
    if not image:
        return Verdict(NAME, False, why, beside.ASK_IMAGE)
    machine = next((c.machine for c in facts.containers.values() if c.machine), "")
    binary = programs.find(facts, "tcpdump", machine)
    if isinstance(binary, str):
        return Verdict(NAME, False, binary)
    room = memory.pod_ring(target.pod, facts.containers, wanted=request.buffer_kib)
    if not room.kib:
        return Verdict(NAME, False, room.sentence)
    return Ready(image, existing, policy.add, binary, room.kib, room.sentence, True if existing else policy.usable)


def assess(request: CaptureRequest, target: Target, facts: Facts) -> Verdict:
    ready = _ready(request, target, facts)
    if isinstance(ready, Verdict):
        return ready
    if ready.existing:
        return Verdict(NAME, True, f"the ephemeral container {ready.existing} of an earlier capture still runs")
    return Verdict(NAME, ready.certain, f"an ephemeral container{beside.spoken(request, ready.image)} can be added")


def patch(container: dict[str, Any]) -> dict[str, Any]:
    """A strategic merge patch: entries are merged by name, so two patches at the same time both succeed."""
    return {"spec": {"ephemeralContainers": [container]}}


def path(target: Target) -> str:
    return paths.one("pod", target.namespace, target.name)


def _steps(request: CaptureRequest, target: Target, ready: Ready, name: str) -> tuple[Step, ...]:
    what = f"ephemeral container {name} in {target.spoken()}"
    add = Step(
        "patch",
        f"{path(target)}/ephemeralcontainers",
        what,
        name=name,
        body=patch(beside.entry(name, ready.image, ready.capabilities)),
        content_type="application/strategic-merge-patch+json",
        stays=f"its entry in the spec of {target.spoken()}, until the pod is deleted",
    )
    wait = Step("wait", path(target), f"{what} runs", name=name, container=name, timeout=request.connection.wait)
    return add, wait


def plan(request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, capture: str) -> Plan:
    ready = _ready(request, target, facts)
    assert isinstance(ready, Ready)  # the verdict of the same facts said so
    seen = next((c.nics for c in facts.containers.values() if c.nics), ())
    name = ready.existing or PREFIX + capture
    file = programs.upload(ready.binary, FOLDER, capture)
    spec, notes = exec_of(request, target, facts, Program(name, file.path, ready.kib, file), seen, ready.note)
    why = f"{target.spoken()}: {verdict.sentence}" + (f"; {notes}" if notes else "") + "."
    leaves = (
        ""
        if ready.existing
        else f"the entry {name} in the pod's spec until the pod is deleted; its process ends itself"
    )
    steps = () if ready.existing else _steps(request, target, ready, name)
    return Plan(NAME, target, steps, (spec,), why, leaves or "nothing", ready.existing)


def without(target: Target, container: str) -> Target:
    """The target as it is when this container of ours has ended, whatever its pod's status says so far."""
    status = target.pod.status
    left = tuple(s for s in status.ephemeral_container_statuses if s.name != container)
    pod = msgspec.structs.replace(target.pod, status=msgspec.structs.replace(status, ephemeral_container_statuses=left))
    return replace(target, pod=pod)
