"""What the real API server and its admission fill into objects, so that ours have the same keys."""

from __future__ import annotations

import secrets
from typing import Any

Object = dict[str, Any]
# No vowels and no look-alikes, as k8s.io/apimachinery/pkg/util/rand: generated names never spell a word.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  a path
_NOT_READY_SECONDS = 300


def suffix() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))


def complete_container(container: Object, *, ephemeral: bool = False, volume: str = "") -> Object:
    """A container of a spec with the server's defaults."""
    image = container.get("image", "")
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    full: Object = {"name": container["name"], "image": image}
    full |= {key: value for key, value in container.items() if key not in full}
    full.setdefault("resources", {})
    if volume and not ephemeral:
        mounts = list(full.get("volumeMounts", []))
        mounts.append({"name": volume, "readOnly": True, "mountPath": _TOKEN_MOUNT})
        full["volumeMounts"] = mounts
    full.setdefault("terminationMessagePath", "/dev/termination-log")
    full.setdefault("terminationMessagePolicy", "File")
    full.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for port in full.get("ports", []):
        port.setdefault("protocol", "TCP")
    return full


def complete_pod(spec: Object) -> Object:
    """A pod's spec with the server's defaults, the service account's volume among them."""
    full = dict(spec)
    volume = ""
    volumes = list(full.get("volumes", []))
    if full.get("automountServiceAccountToken", True):
        volume = f"kube-api-access-{suffix()}"
        volumes.append(_token_volume(volume))
    if volumes:
        full["volumes"] = volumes
    for key in ("initContainers", "containers"):
        if key in full:
            full[key] = [complete_container(container, volume=volume) for container in full[key]]
    account = full.get("serviceAccountName", "default")
    plain = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": account,
        "serviceAccount": account,
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    full = {**full, **{key: full.get(key, value) for key, value in plain.items()}}
    full["tolerations"] = [
        *full.get("tolerations", []),
        *(
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
            | {"tolerationSeconds": _NOT_READY_SECONDS}
            for key in ("not-ready", "unreachable")
        ),
    ]
    return full


def complete_job(spec: Object) -> Object:
    """A Job's spec with the server's defaults; the selector comes with the job's uid (see controllers)."""
    template = dict(spec["template"])
    pod = dict(template["spec"])
    pod["containers"] = [complete_container(container) for container in pod["containers"]]
    plain = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    template["spec"] = {**plain, **pod}
    first = {"parallelism": 1, "completions": 1, "backoffLimit": 6}
    last = {"completionMode": "NonIndexed", "suspend": False, "podReplacementPolicy": "TerminatingOrFailed"}
    return {**first, **{k: v for k, v in spec.items() if k != "template"}, "template": template, **last}


def _token_volume(name: str) -> Object:
    items = [{"key": "ca.crt", "path": "ca.crt"}]
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": items}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
            ],
            "defaultMode": 420,
        },
    }


def owner(kind: str, name: str, uid: str, api_version: str = "apps/v1") -> list[Object]:
    reference = {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}
    return [reference | {"controller": True, "blockOwnerDeletion": True}]


def conditions(ready: bool, when: str, *, generation: int = 1) -> list[Object]:
    """A pod's conditions in the kubelet's order."""
    values = {
        "PodReadyToStartContainers": ready,
        "Initialized": True,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": True,
    }
    return [
        {
            "type": kind,
            "observedGeneration": generation,
            "status": "True" if value else "False",
            "lastProbeTime": None,
            "lastTransitionTime": when,
        }
        for kind, value in values.items()
    ]
