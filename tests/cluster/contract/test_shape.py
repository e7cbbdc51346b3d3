"""Running pods, nodes and events have the same keys on both clusters, but for what is listed here with its reason."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cluster.contract.side import Side

# Keys of a running pod that a client may read, on both sides.
POD = {
    "kind",
    "apiVersion",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.creationTimestamp",
    "spec.containers[].name",
    "spec.containers[].image",
    "spec.containers[].command[]",
    "spec.containers[].terminationMessagePath",
    "spec.containers[].terminationMessagePolicy",
    "spec.containers[].imagePullPolicy",
    "spec.containers[].volumeMounts[].name",
    "spec.containers[].volumeMounts[].readOnly",
    "spec.containers[].volumeMounts[].mountPath",
    "spec.restartPolicy",
    "spec.terminationGracePeriodSeconds",
    "spec.dnsPolicy",
    "spec.serviceAccountName",
    "spec.serviceAccount",
    "spec.nodeName",
    "spec.nodeSelector.kubernetes.io/hostname",
    "spec.schedulerName",
    "spec.tolerations[].key",
    "spec.tolerations[].operator",
    "spec.tolerations[].effect",
    "spec.tolerations[].tolerationSeconds",
    "spec.priority",
    "spec.enableServiceLinks",
    "spec.preemptionPolicy",
    "status.observedGeneration",
    "status.phase",
    "status.conditions[].type",
    "status.conditions[].observedGeneration",
    "status.conditions[].status",
    "status.conditions[].lastProbeTime",
    "status.conditions[].lastTransitionTime",
    "status.hostIP",
    "status.hostIPs[].ip",
    "status.podIP",
    "status.podIPs[].ip",
    "status.startTime",
    "status.containerStatuses[].name",
    "status.containerStatuses[].state.running.startedAt",
    "status.containerStatuses[].ready",
    "status.containerStatuses[].restartCount",
    "status.containerStatuses[].image",
    "status.containerStatuses[].imageID",
    "status.containerStatuses[].containerID",
    "status.containerStatuses[].started",
    "status.qosClass",
}
# Told by containerd 2.x only.
USER = {f"status.containerStatuses[].user.linux.{key}" for key in ("uid", "gid", "supplementalGroups[]")}
# Real clusters keep a history of who wrote which field, and mounts' details; no client of ours reads either.
ONLY_REAL = ("metadata.managedFields", "status.containerStatuses[].volumeMounts", "spec.volumes", "status.resources")


def _keys(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {key for name, inner in value.items() for key in _keys(inner, f"{prefix}.{name}" if prefix else name)}
    if isinstance(value, list):
        return {key for inner in value for key in _keys(inner, f"{prefix}[]")}
    return {prefix}


def _pod(side: Side, name: str = "older") -> dict[str, Any]:
    found: dict[str, Any] = asyncio.run(side.admin.get(f"{side.pods()}/{name}")).json
    return found


@pytest.mark.parametrize(("name", "more"), [("older", set()), ("newer", USER)])
def test_a_running_pod_has_exactly_these_keys(side: Side, name: str, more: set[str]) -> None:
    keys = {key for key in _keys(_pod(side, name)) if not key.startswith(ONLY_REAL)}
    assert keys == POD | more


def test_a_running_pod_s_values_have_these_forms(side: Side) -> None:
    pod = _pod(side)
    status = pod["status"]["containerStatuses"][0]
    runtime, _, number = status["containerID"].partition("://")
    assert (runtime, len(number)) == ("containerd", 64)
    assert status["imageID"].startswith("sha256:")
    assert pod["metadata"]["creationTimestamp"].endswith("Z")
    assert [entry["type"] for entry in pod["status"]["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert pod["status"]["podIPs"][0]["ip"] == pod["status"]["podIP"]


def test_pods_that_do_not_run_say_why(side: Side) -> None:
    pending = asyncio.run(side.admin.get(f"{side.pods()}/{side.pending}")).json
    (condition,) = pending["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert condition["message"].startswith("0/2 nodes are available: ")
    assert "nodeName" not in pending["spec"]
    broken = asyncio.run(side.admin.get(f"{side.pods()}/{side.broken}")).json
    assert broken["status"]["phase"] == "Pending"
    (state,) = broken["status"]["containerStatuses"]
    assert state["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert "containerID" not in state


def test_a_node_says_what_runs_on_it(side: Side) -> None:
    nodes = asyncio.run(side.admin.get("/api/v1/nodes")).json["items"]
    infos = [node["status"]["nodeInfo"] for node in nodes]
    assert [info["containerRuntimeVersion"].partition(".")[0] for info in infos] == ["containerd://1", "containerd://2"]
    assert all(node["metadata"]["labels"]["kubernetes.io/arch"] == "amd64" for node in nodes)
    assert all({"InternalIP", "Hostname"} <= {a["type"] for a in node["status"]["addresses"]} for node in nodes)


def test_scheduling_is_an_event(side: Side) -> None:
    items = asyncio.run(side.admin.get(f"/api/v1/namespaces/{side.namespace}/events")).json["items"]
    of_pod = [item for item in items if item["involvedObject"]["name"] == side.older and item["reason"] == "Scheduled"]
    (event,) = of_pod
    node = _pod(side)["spec"]["nodeName"]
    assert event["message"] == f"Successfully assigned {side.namespace}/{side.older} to {node}"
    assert event["involvedObject"]["uid"] == _pod(side)["metadata"]["uid"]
    assert event["type"] == "Normal"
