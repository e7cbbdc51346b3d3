"""The Event that tells a cluster's own people about a capture: `kubectl describe pod` and `kubectl get events` show it.

Only of captures that write something, however short-lived: a program, an ephemeral container, a helper, a copy.
"""

from __future__ import annotations

from typing import Any, Literal

from k8s_extcap.model.errors import clip
from k8s_extcap.model.plan import Plan

LONG = 1024  # bytes of a message that the API server takes (core/v1 validation)
When = Literal["began", "ended"]
_REASONS: dict[When, str] = {"began": "CaptureStarted", "ended": "CaptureEnded"}


def due(plan: Plan) -> bool:
    """Whether anything is written into the pod, beside it or on its node."""
    return any(step.verb in ("create", "patch") for step in plan.steps) or any(spec.uploads for spec in plan.execs)


def path(plan: Plan) -> str:
    """Where it is created. A node is in no namespace, and Events about it are in `default`."""
    return f"/api/v1/namespaces/{plan.target.namespace if not plan.target.is_node else 'default'}/events"


def body(plan: Plan, capture: str, when: When, told: str, *, at: str, by: str) -> dict[str, Any]:
    """`told` is a sentence; `at` RFC 3339; `by` who captures, as the API server's audit log does not tell everybody."""
    target = plan.target
    about = {"apiVersion": "v1", "kind": "Node", "name": target.node, "uid": target.node}  # as kubelets name it
    if not target.is_node:
        meta = target.pod.metadata
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": target.namespace, "name": meta.name, "uid": meta.uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"k8s-extcap-{capture}-{when}", "labels": {"k8s-extcap/capture": capture}},
        "involvedObject": about,
        "type": "Normal",
        "reason": _REASONS[when],
        "message": clip(f"Packet capture {capture} by {by}: {told}", LONG).encode()[:LONG].decode(errors="ignore"),
        "source": {"component": "k8s-extcap"},
        "reportingComponent": "k8s-extcap",
        "reportingInstance": capture,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def beginning(plan: Plan) -> str:
    stays = "nothing stays" if plan.leaves == "nothing" else f"what stays: {plan.leaves}"
    return f"method {plan.method} begins; {stays}."


def ending(plan: Plan, packets: int, left: tuple[str, ...]) -> str:
    rest = f" Still there: {'; '.join(left)}." if left else ""
    return f"method {plan.method} has ended after {packets} packets.{rest}"
