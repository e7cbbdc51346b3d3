"""From small to large footprint: which method is taken, with the reason, and what would work where none is.

`auto` stops at the ceiling of the option *May use*. Naming a method is consent to it, and so is picking a node.
`copy` runs the application a second time and is taken only when named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from k8s_extcap.methods import admission, copy, ephemeral, nsenter, programs, resident, special, upload
from k8s_extcap.methods.lookup import HOST_END
from k8s_extcap.model.errors import LIMIT, MethodError, clip, fitted
from k8s_extcap.model.plan import Facts, Plan, Target, Verdict
from k8s_extcap.model.request import METHODS, CaptureRequest, MethodName, footprint


class Method(Protocol):
    def assess(self, request: CaptureRequest, target: Target, facts: Facts, /) -> Verdict: ...
    def plan(
        self, request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, capture: str, /
    ) -> Plan: ...


TABLE: dict[MethodName, Method] = {
    "resident": resident,
    "upload": upload,
    "ephemeral": ephemeral,
    "nsenter": nsenter,
    "copy": copy,
}

Failed = Mapping[MethodName, str]  # methods that were tried in this capture already, with what they said
_REASON = 110  # characters of one method's reason beside others


def assess(request: CaptureRequest, target: Target, facts: Facts, method: MethodName) -> Verdict:
    why = special.obstacle(method, target, facts)
    if not why and request.interface == HOST_END and method != "nsenter":
        why = "the host end of a veth is reached from the node only"
    if why:
        return Verdict(method, False, why)
    if method != "resident" and not facts.binaries:
        return Verdict(method, False, programs.ABSENT, programs.ASK_INSTALL)
    return TABLE[method].assess(request, target, facts)


def assess_all(request: CaptureRequest, target: Target, facts: Facts, failed: Failed | None = None) -> list[Verdict]:
    """A verdict on each method, the smallest footprint first."""
    tried = dict(failed or {})
    if _modest(request, tried).helper.privileged:
        tried.pop("nsenter", None)  # it failed without, and now it may be privileged
    return [
        Verdict(method, False, f"it was tried: {tried[method]}")
        if method in tried
        else assess(request, target, facts, method)
        for method in METHODS
    ]


def _modest(request: CaptureRequest, failed: Failed) -> CaptureRequest:
    """The helper is privileged only if that was allowed, and the unprivileged one failed: in this capture, or in an
    earlier one, which is what naming the method together with the option says.
    """
    if not request.helper.privileged or request.method == "nsenter" or "nsenter" in failed:
        return request
    return replace(request, helper=replace(request.helper, privileged=False))


def candidates(request: CaptureRequest, target: Target) -> tuple[MethodName, ...]:
    """The methods the user consented to."""
    if request.method != "auto":
        return (request.method,)
    if target.is_node:
        return ("nsenter",)
    return tuple(m for m in METHODS if m != "copy" and footprint(m) <= footprint(request.allow))


def choose(request: CaptureRequest, target: Target, verdicts: list[Verdict]) -> Verdict:
    """The usable method of the smallest footprint among those consented to; "unknown" is worth a try. MethodError."""
    allowed = candidates(request, target)
    for verdict in verdicts:
        if verdict.method in allowed and verdict.usable is not False:
            return verdict
    raise _none(request, target, verdicts)


def plan(request: CaptureRequest, target: Target, facts: Facts, capture: str, failed: Failed | None = None) -> Plan:
    """What will be done for this target: nothing was written anywhere yet. MethodError where nothing can be."""
    request = _modest(request, failed or {})
    verdicts = assess_all(request, target, facts, failed)
    chosen = choose(request, target, verdicts)
    made = TABLE[chosen.method].plan(request, target, facts, chosen, capture)
    smaller = [v for v in verdicts if v.footprint < chosen.footprint and v.method in candidates(request, target)]
    remark = special.remark(target)
    words = [made.why, f"Note: {remark}." if remark else ""]
    words += [f"Not {v.method}: {clip(v.sentence, _REASON)}." for v in smaller]
    return replace(made, why=clip(" ".join(w for w in words if w)))


def _none(request: CaptureRequest, target: Target, verdicts: list[Verdict]) -> MethodError:
    who, allowed = target.spoken(), candidates(request, target)
    beyond = [v for v in verdicts if v.method not in allowed and v.usable is not False and v.method != "copy"]
    refused = [v for v in verdicts if v.method in allowed]
    if beyond and request.method != "auto":
        automatic = ", or 'auto'" if beyond[0].footprint <= footprint(request.allow) else ""
        # What would work is named below, once.
        known = admission.ELSEWHERE if beyond[0].method == "nsenter" else ""
        ask = f"It takes {refused[0].ask.removesuffix(known)}. Or " if refused[0].ask else ""
        return _reasoned(
            f"Method {request.method} cannot capture {who}: ",
            refused[0].sentence,
            f". {ask or 'But '}method {beyond[0].method} would work: choose it{automatic}.",
        )
    if beyond:
        best = beyond[0]
        reasons = " ".join(f"{v.method}: {clip(v.sentence, 70)}." for v in refused)
        return MethodError(
            f"Method {best.method} would capture {who} ({best.sentence}), but it leaves more than 'May use' allows: "
            f"choose it with --allow {best.method}, for good with 'k8s-extcap allow {best.method}'. {reasons}"
        )
    asking = next((v for v in refused if v.ask), None) or next((v for v in verdicts if v.ask), None)
    named = f"Method {request.method} cannot capture {who}: " if request.method != "auto" and not refused[0].ask else ""
    if named and not asking:
        return _reasoned(named, refused[0].sentence, ".")
    if asking:
        head = f"{named}{clip(refused[0].sentence, _REASON)}. " if named else f"No allowed method can capture {who}. "
        return _reasoned(f"{head}Nearest is {asking.method}: ", asking.sentence, f". It takes {asking.ask}.")
    return MethodError(
        f"No allowed method can capture {who}. "
        + " ".join(f"{v.method}: {clip(v.sentence, _REASON)}." for v in _distinct(refused))
    )


def _reasoned(head: str, reason: str, tail: str) -> MethodError:
    """The reason may be a policy's, which is to be read as it was written: it gets all the room there is."""
    return MethodError(head + fitted(reason, max(_REASON, LIMIT - len(head) - len(tail))) + tail)


def _distinct(verdicts: list[Verdict]) -> list[Verdict]:
    """One verdict for each sentence: a pod that has ended says so once."""
    return list({v.sentence: v for v in reversed(verdicts)}.values())[::-1]
