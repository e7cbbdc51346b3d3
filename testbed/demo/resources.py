"""The resource types that the demo cluster serves."""

from __future__ import annotations

from typing import NamedTuple


class Resource(NamedTuple):
    plural: str
    kind: str
    group: str = ""
    namespaced: bool = True
    version: str = "v1"
    short: tuple[str, ...] = ()
    writable: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


RESOURCES = (
    Resource("namespaces", "Namespace", namespaced=False, short=("ns",), writable=True),
    Resource("nodes", "Node", namespaced=False, short=("no",)),
    Resource("pods", "Pod", short=("po",), writable=True),
    Resource("services", "Service", short=("svc",)),
    Resource("events", "Event", short=("ev",)),
    Resource("serviceaccounts", "ServiceAccount", short=("sa",)),
    Resource("configmaps", "ConfigMap", short=("cm",), writable=True),
    Resource("deployments", "Deployment", "apps", short=("deploy",)),
    Resource("statefulsets", "StatefulSet", "apps", short=("sts",)),
    Resource("daemonsets", "DaemonSet", "apps", short=("ds",)),
    Resource("replicasets", "ReplicaSet", "apps", short=("rs",)),
    Resource("jobs", "Job", "batch", writable=True),
    Resource("endpointslices", "EndpointSlice", "discovery.k8s.io"),
)

BY_PLURAL = {resource.plural: resource for resource in RESOURCES}
BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}
PODS, NAMESPACES, NODES, JOBS = (BY_PLURAL[name] for name in ("pods", "namespaces", "nodes", "jobs"))
EVENTS = BY_PLURAL["events"]
