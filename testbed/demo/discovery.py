"""/version and what kubectl asks to learn the resource types."""

from __future__ import annotations

from typing import Any

from testbed.demo import status
from testbed.demo.resources import RESOURCES
from testbed.demo.users import ANONYMOUS, User

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "go1.26.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}
# Readable without credentials (ClusterRole system:public-info-viewer).
_PUBLIC = ("/version", "/healthz", "/livez", "/readyz")


def answer(path: str, user: User) -> dict[str, Any] | None:
    """The document at `path`, None if it is none of discovery's."""
    path = path.rstrip("/")
    document = _document(path)
    if document is not None and user is ANONYMOUS and path not in _PUBLIC:
        raise status.forbidden_path(user, path, "get")
    return document


def _document(path: str) -> dict[str, Any] | None:
    groups = sorted({(resource.group, resource.version) for resource in RESOURCES if resource.group})
    groups.append(("authorization.k8s.io", "v1"))
    if path in ("/version", "/healthz"):
        return VERSION
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*entry) for entry in groups]}
    if path == "/api/v1":
        return _resources("", "v1")
    for group, version in groups:
        if path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
        if path == f"/apis/{group}/{version}":
            return _resources(group, f"{group}/{version}")
    return None


def _group(group: str, version: str) -> dict[str, Any]:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _resources(group: str, group_version: str) -> dict[str, Any]:
    read = ["get", "list", "watch"]
    rows: list[dict[str, Any]] = []
    for resource in (r for r in RESOURCES if r.group == group):
        row = {
            "name": resource.plural,
            "singularName": resource.kind.lower(),
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["create", "delete", *read] if resource.writable else read,
        }
        rows.append(row | ({"shortNames": list(resource.short)} if resource.short else {}))
    if not group:
        rows.append(_sub("pods/exec", "PodExecOptions", ["create", "get"]))
        rows.append(_sub("pods/ephemeralcontainers", "Pod", ["get", "patch", "update"]))
    if group == "authorization.k8s.io":
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview"):
            name = f"{kind.lower()}s"
            rows.append(
                {"name": name, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
            )
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _sub(name: str, kind: str, verbs: list[str]) -> dict[str, Any]:
    return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
