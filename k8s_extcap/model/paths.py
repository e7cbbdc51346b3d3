"""Where the API server has the objects that an interface's name may mean, by the kind in that name (`model.ids`)."""

from __future__ import annotations

# Kind -> the API group's root and the resource.
_RESOURCES = {
    "pod": ("/api/v1", "pods"),
    "container": ("/api/v1", "pods"),
    "deploy": ("/apis/apps/v1", "deployments"),
    "sts": ("/apis/apps/v1", "statefulsets"),
    "ds": ("/apis/apps/v1", "daemonsets"),
    "job": ("/apis/batch/v1", "jobs"),
    "svc": ("/api/v1", "services"),
    "ns": ("/api/v1", "namespaces"),
    "node": ("/api/v1", "nodes"),
}
_OF_THE_CLUSTER = ("ns", "node")

KINDS = tuple(kind for kind in _RESOURCES if kind != "container")


def collection(kind: str, namespace: str = "") -> str:
    """The path of the list; without a namespace that of the whole cluster."""
    root, resource = _RESOURCES[kind]
    if not namespace or kind in _OF_THE_CLUSTER:
        return f"{root}/{resource}"
    return f"{root}/namespaces/{namespace}/{resource}"


def one(kind: str, namespace: str, name: str) -> str:
    """The path of one object; a node and a namespace are in no namespace."""
    return f"{collection(kind, namespace)}/{name}"
