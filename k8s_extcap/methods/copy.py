"""Method copy: a debug copy of the pod, as `kubectl debug --copy-to` makes it, with a container of ours beside the
application. It runs the application a second time, so it is taken only when named.

A copy with all labels of its pod was adopted by the ReplicaSet and deleted in under a second. So it has none by
default; to take a Service's traffic it keeps exactly those that the Service selects, if no controller selects them.
"""

from __future__ import annotations

import copy
from math import ceil
from typing import Any

from k8s_extcap.methods import admission, beside, programs, rights, tcpdump
from k8s_extcap.methods.helper import ANNOTATIONS, labels
from k8s_extcap.methods.inside import Program, exec_of
from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import Binary, Facts, Plan, Step, Target, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "copy"
_NEEDS = (*rights.EXEC, "get pods", "create pods", "delete pods")
# With labels of a Service: who else selects them. A Deployment does so by its ReplicaSet.
_SELECTING = (
    "list services",
    "list replicationcontrollers",
    *(f"list {kind}.apps" for kind in ("replicasets", "statefulsets", "daemonsets")),
    "list jobs.batch",
)
CONTAINER = "k8s-extcap"
IDLE = 30  # seconds without a capture until it ends itself, on top of slow answers: each copy serves one capture
MARGIN = 60  # seconds beyond a capture's time limit: for its last packets, and for the clean-up to come first
CRITICAL = 2_000_000_000  # priority from which the kubelet evicts no pod (pkg/apis/scheduling, SystemCriticalPriority)
_ADOPTING = ("StatefulSet", "DaemonSet", "Job")
_DROPPED = ("nodeName", "ephemeralContainers", "nodeSelector", "schedulingGates")
_PROBES = ("livenessProbe", "startupProbe")  # a copy that is looked at must not be restarted meanwhile


def needs(request: CaptureRequest) -> tuple[str, ...]:
    """All rights that are asked about."""
    return (*_NEEDS, *(_SELECTING if request.service_labels else ()))


def _unfit(pod: Pod, raw: dict[str, Any]) -> str:
    """Why a second pod like this one would do harm, "" if nothing speaks against it."""
    owner = next((o for o in pod.metadata.owner_references if o.controller), None)
    if owner and owner.kind in _ADOPTING:
        return f"it belongs to {owner.kind} {owner.name}: a second one would do the same work on the same data"
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None or volume.ephemeral is not None:
            return f"its volume {volume.name} is claimed storage, which two must not write"
        if volume.host_path is not None:
            return f"its volume {volume.name} is a folder of the node, which two might write"
    spec = raw.get("spec", {})
    ports = [p for c in spec.get("containers", ()) for p in c.get("ports", ()) if p.get("hostPort")]
    if ports or pod.spec.host_network:
        return "it uses ports of its node, and a copy could not have them too"
    return ""


def kept(pod: Pod, facts: Facts) -> dict[str, str] | str:
    """The labels with which a copy takes the pod's Service traffic and belongs to no controller, or why not."""
    if facts.services is None or facts.controllers is None:
        return "the Services and controllers of its namespace may not be listed"
    own = pod.metadata.labels
    selecting = [s for s in facts.services if s and s.items() <= own.items()]
    if not selecting:
        return "no Service selects it"
    names = {key for selector in selecting for key in selector}
    chosen = {key: own[key] for key in sorted(names)}
    if any(selector.items() <= chosen.items() for selector in facts.controllers):
        return "a controller selects the same labels as its Service: it would adopt the copy and delete one of them"
    return chosen


def _times(request: CaptureRequest) -> tuple[int, int]:
    """After how many seconds it ends itself: without a capture, and in any case."""
    limit, connection = request.limits.seconds, request.connection
    slow = ceil(2 * connection.timeout)  # the look that finds it running, and the exec
    last = ceil(connection.wait + limit) + slow + MARGIN if limit else beside.LAST
    return IDLE + slow, min(last, beside.LAST)


def body(request: CaptureRequest, target: Target, facts: Facts, image: str, capture: str) -> dict[str, Any]:
    """The copy as an object of the API; `capture` "" for a dry run."""
    spec = copy.deepcopy(facts.raw.get("spec", {}))
    for key in _DROPPED:
        spec.pop(key, None)
    for container in spec.get("containers", ()):
        for probe in (*_PROBES, *(() if request.service_labels else ("readinessProbe",))):
            container.pop(probe, None)
    ours = beside.entry(CONTAINER, image, admission.copied(facts))
    spec = beside.evicting(spec, ours, *_times(request))
    spec["terminationGracePeriodSeconds"] = min(5, spec.get("terminationGracePeriodSeconds", 5))
    mine = kept(target.pod, facts) if request.service_labels else {}
    named = {**(mine if isinstance(mine, dict) else {}), **labels(capture or "dry-run")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"k8s-extcap-{capture or 'dry-run'}", "labels": named, "annotations": dict(ANNOTATIONS)},
        "spec": spec,
    }


def _image(request: CaptureRequest, target: Target, facts: Facts) -> tuple[str, Binary] | Verdict:
    image, why = beside.image_of(request, target, facts)
    if not image:
        return Verdict(NAME, False, why, beside.ASK_IMAGE)
    machine = next((c.machine for c in facts.containers.values() if c.machine), "")
    binary = programs.find(facts, "tcpdump", machine)
    return Verdict(NAME, False, binary) if isinstance(binary, str) else (image, binary)


def assess(request: CaptureRequest, target: Target, facts: Facts) -> Verdict:
    if request.method != NAME:
        return Verdict(NAME, False, "it runs the application a second time, so it has to be named")
    why = _unfit(target.pod, facts.raw)
    if why:
        return Verdict(NAME, False, why)
    lacking = rights.missing(facts, needs(request))
    if lacking:
        return Verdict(NAME, False, rights.spoken(lacking), rights.rule(lacking))
    if not facts.raw:
        return Verdict(NAME, False, "the pod could not be read whole")
    mine = kept(target.pod, facts) if request.service_labels else {}
    if isinstance(mine, str):
        return Verdict(NAME, False, f"{mine}, so the copy cannot take its Service's traffic")
    found = _image(request, target, facts)
    if isinstance(found, Verdict):
        return found
    refusal = facts.dry_run.get(admission.COPY)
    if refusal:
        policy = admission.refused(refusal, f"the label {admission.LABEL}: baseline on the namespace")
        return Verdict(NAME, False, policy.sentence, policy.ask)
    certain = True if admission.COPY in facts.dry_run else None
    traffic = "and takes its Service's traffic" if mine else "without its labels, so no Service's traffic"
    return Verdict(NAME, certain, f"this runs your application a second time, {traffic}")


def plan(request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, capture: str) -> Plan:
    found = _image(request, target, facts)
    assert not isinstance(found, Verdict)  # the verdict of the same facts said so
    image, binary = found
    made = body(request, target, facts, image, capture)
    name = made["metadata"]["name"]
    pods = f"/api/v1/namespaces/{target.namespace}/pods"
    what = f"pod {target.namespace}/{name}, a copy of {target.name}"
    steps = (
        Step("create", pods, what, name=name, body=made, undo=True),
        Step("wait", f"{pods}/{name}", f"{what} runs", container=CONTAINER, timeout=request.connection.wait),
    )
    file = programs.upload(binary, "/", capture)
    program = Program(CONTAINER, file.path, request.buffer_kib or tcpdump.RING_KIB, file, pod=name)
    spec, _ = exec_of(request, target, facts, program, ())
    why = f"{target.spoken()}: {verdict.sentence}; the copy {name} is deleted afterwards."
    ends = "a day" if made["spec"].get("priority", 0) >= CRITICAL else "minutes"
    leaves = f"nothing; if all clean-up fails, {what}, ends itself within {ends} and waits for the next clean-up"
    return Plan(NAME, target, steps, (spec,), why, leaves)
