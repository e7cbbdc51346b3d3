"""Pods as the API gives them, shortened to what selection reads."""

from __future__ import annotations

from typing import Any

import msgspec

from k8s_extcap.model.objects import Pod


def pod(
    name: str,
    *,
    namespace: str = "shop",
    owner: tuple[str, str] | None = None,
    labels: dict[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    phase: str = "Running",
    ready: bool = True,
    node: str = "n1",
    deleted: bool = False,
    ip: str = "10.0.0.1",
    containers: dict[str, str] | None = None,
) -> Pod:
    """`containers`: name to `running`, or the reason it waits for. `owner`: kind and name of its controller."""
    states = containers if containers is not None else {"app": "running"}
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels or {}, "creationTimestamp": created}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "uid": f"uid-{owner[1]}", "controller": True}]
    if deleted:
        meta["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    statuses: list[dict[str, Any]] = [
        {"name": c, "state": {"running": {}} if state == "running" else {"waiting": {"reason": state}}}
        for c, state in states.items()
    ]
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": statuses,
        "podIP": ip,
    }
    spec = {"nodeName": node, "containers": [{"name": c} for c in states]}
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, Pod)


def web(name: str, **more: Any) -> Pod:
    """A pod of the Deployment shop/web; the ReplicaSet's hash is in its name."""
    template = name.split("-")[1]
    return pod(name, owner=("ReplicaSet", f"web-{template}"), labels={"pod-template-hash": template}, **more)
