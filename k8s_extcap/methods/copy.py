"""Method copy: a debug copy of the pod. Runs the application a second time, so only when named."""

from __future__ import annotations

from k8s_extcap.model.plan import Facts, Plan, Target, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "copy"


def assess(_request: CaptureRequest, _target: Target, _facts: Facts) -> Verdict:
    return Verdict(NAME, False, "not built yet")


def plan(_request: CaptureRequest, target: Target, _facts: Facts, _verdict: Verdict, _capture: str) -> Plan:
    raise AssertionError(f"no plan for {target.spoken()}: the verdict refused")
