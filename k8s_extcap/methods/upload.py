"""Method upload: our static tcpdump goes through the same exec that runs it, and is removed as soon as it runs."""

from __future__ import annotations

from typing import NamedTuple

from k8s_extcap.methods import memory, programs, rights
from k8s_extcap.methods.inside import Program, exec_of
from k8s_extcap.model.plan import CAP_NET_RAW, Binary, ContainerFacts, Facts, Place, Plan, Target, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "upload"
TOOLS = ("dd", "sha256sum", "chmod", "rm", "sleep")  # what the guard's text calls
SPARE = 64 << 10  # bytes left free in the folder


class _Fit(NamedTuple):
    binary: Binary
    place: Place
    kib: int
    note: str


def _fit(request: CaptureRequest, inside: ContainerFacts, facts: Facts) -> _Fit | str:
    """Where and with what buffer it would run in this container, or why it cannot."""
    if inside.error:
        return inside.error
    if inside.shell is False:
        return "it has no shell"
    if inside.cap_eff is not None and not inside.cap_eff >> CAP_NET_RAW & 1:
        return f"its user (uid {inside.uid}) lacks the capability NET_RAW"
    lacking = [t for t in TOOLS if t not in inside.tools]
    if lacking:
        return f"its image lacks {', '.join(lacking)}"
    binary = programs.find(facts, "tcpdump", inside.machine)
    if isinstance(binary, str):
        return binary
    places = [p for p in inside.places if p.free is None or p.free >= binary.size + SPARE]
    if not places:
        return f"it has no folder where {binary.size // 1024} KiB can be written and run"
    refusal = ""
    for place in sorted(places, key=lambda p: p.tmpfs):  # a file on tmpfs is memory of the pod
        room = memory.ring(inside, upload=binary.size if place.tmpfs else 0, wanted=request.buffer_kib)
        if room.kib:
            return _Fit(binary, place, room.kib, room.sentence)
        refusal = room.sentence
    return refusal


def assess(request: CaptureRequest, _target: Target, facts: Facts) -> Verdict:
    """Usable in the first container with NET_RAW, a shell, a few tools and a folder; `container` names it."""
    lacking = rights.missing(facts, rights.EXEC)
    if lacking:
        return Verdict(NAME, False, rights.spoken(lacking), rights.rule(lacking))
    reasons = []
    for name, inside in facts.containers.items():
        fit = _fit(request, inside, facts)
        if isinstance(fit, _Fit):
            return Verdict(NAME, True, f"our tcpdump can run in container {name}", container=name)
        reasons.append(f"{name}: {fit}")
    return Verdict(NAME, False, "; ".join(reasons) or "no container of the pod runs")


def plan(request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, capture: str) -> Plan:
    inside = facts.containers[verdict.container]
    fit = _fit(request, inside, facts)
    assert isinstance(fit, _Fit)  # the verdict of the same facts said so
    file = programs.upload(fit.binary, fit.place.path, capture)
    program = Program(verdict.container, file.path, fit.kib, file)
    spec, notes = exec_of(request, target, facts, program, inside.nics, fit.note)
    why = f"{target.spoken()}: {verdict.sentence}, as a file in {fit.place.path} that is removed at once"
    return Plan(NAME, target, (), (spec,), f"{why}; {notes}." if notes else f"{why}.")
