"""Method resident: a tcpdump that a container of the pod already has. Nothing is created, nothing stays."""

from __future__ import annotations

from k8s_extcap.methods import memory, tcpdump
from k8s_extcap.methods.inside import Program, exec_of
from k8s_extcap.model.plan import CAP_NET_RAW, ContainerFacts, Facts, Plan, Target, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "resident"


def _able(request: CaptureRequest, facts: ContainerFacts) -> str:
    """Why this container cannot capture by itself, "" if it can (or nothing speaks against it)."""
    if facts.error:
        return facts.error
    if facts.shell is False:
        return "it has no shell"
    if not facts.tcpdump:
        return f"it has no tcpdump at {request.tcpdump}" if request.tcpdump else "it has no tcpdump"
    raw = facts.cap_eff is None or facts.cap_eff >> CAP_NET_RAW & 1
    if not raw and not facts.tcpdump_caps:
        return f"its user (uid {facts.uid}) lacks the capability NET_RAW"
    room = memory.ring(facts, upload=0, wanted=request.buffer_kib)
    return "" if room.kib else room.sentence


def assess(request: CaptureRequest, target: Target, facts: Facts) -> Verdict:
    """Usable in the first container that has tcpdump, a shell and NET_RAW; `container` of the verdict names it."""
    if target.is_node:
        return Verdict(NAME, False, "a node has no container to run in")
    reasons = []
    for name, inside in facts.containers.items():
        why = _able(request, inside)
        if not why:
            return Verdict(NAME, True, f"container {name} has tcpdump", container=name)
        reasons.append(f"{name}: {why}")
    return Verdict(NAME, False, "; ".join(reasons) or "no container of the pod runs")


def plan(request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, _capture: str) -> Plan:
    inside = facts.containers[verdict.container]
    mode = tcpdump.mode_of(inside.tcpdump_version, print_mode=request.print_mode)
    room = memory.ring(inside, upload=0, wanted=request.buffer_kib)
    path = request.tcpdump or inside.tcpdump
    stays = inside.uid == 0 and not (inside.tcpdump_user and inside.tcpdump_version == tcpdump.DIES_AS_ROOT)
    program = Program(verdict.container, path, room.kib, mode=mode, drop_to_root=stays)
    spec, notes = exec_of(request, target, facts, program, inside.nics, room.sentence)
    why = f"{target.spoken()}: {verdict.sentence}, so nothing is added to the pod"
    return Plan(NAME, target, (), (spec,), f"{why}; {notes}." if notes else f"{why}.")
