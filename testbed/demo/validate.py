"""What the API server refuses before it stores: 422 with the field, in its own words."""

from __future__ import annotations

import re
from typing import Any

from testbed.demo import status
from testbed.demo.resources import Resource
from testbed.demo.store import Object
from testbed.demo.target import Target

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    r" '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_REQUIRED, _INVALID, _DUPLICATE, _NOT_FOUND, _FORBIDDEN = (
    f"FieldValue{kind}" for kind in ("Required", "Invalid", "Duplicate", "NotFound", "Forbidden")
)
# Fields of a container that an ephemeral one may not have (validation.go, allowedEphemeralContainerFields).
_NOT_EPHEMERAL = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources", "resizePolicy")


def dry_run(verb: str, asked: list[str]) -> bool:
    """`?dryRun=All` and nothing else."""
    if not asked or asked == ["All"]:
        return bool(asked)
    why = f'Unsupported value: ["{asked[0]}"]: supported values: "All"'
    kind = {"create": "CreateOptions", "delete": "DeleteOptions"}.get(verb, "PatchOptions")
    raise status.invalid(kind, "", "dryRun", why, "FieldValueNotSupported", "meta.k8s.io")


def _invalid(kind: str, name: str, field: str, why: str, reason: str, group: str = "") -> status.ApiError:
    return status.invalid(kind, name, field, why, reason, group)


def new_object(target: Target, body: Object) -> None:
    """Kind, namespace and name of an object to be created."""
    resource = target.resource
    kind = body.get("kind", resource.kind)
    if kind != resource.kind:
        raise status.bad_request(
            f'{kind} in version "{body.get("apiVersion", "v1")}" cannot be handled as a {resource.kind}: converting'
            f" (v1.{kind}) to (core.{resource.kind}): unknown conversion"
        )
    meta = body.get("metadata") or {}
    if resource.namespaced and meta.get("namespace", target.namespace) != target.namespace:
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    name = meta.get("name", "")
    if not name and not meta.get("generateName"):
        why = "Required value: name or generateName is required"
        raise _invalid(resource.kind, "", "metadata.name", why, _REQUIRED, resource.group)
    if name and not _SUBDOMAIN.fullmatch(name):
        why = f'Invalid value: "{name}": {_SUBDOMAIN_TEXT}'
        raise _invalid(resource.kind, name, "metadata.name", why, _INVALID, resource.group)


def pod_spec(resource: Resource, name: str, spec: Object, field: str = "spec") -> None:
    containers = spec.get("containers") or []
    if not containers:
        raise _invalid(resource.kind, name, f"{field}.containers", "Required value", _REQUIRED, resource.group)
    for number, container in enumerate(containers):
        for key in ("name", "image"):
            if not container.get(key):
                where = f"{field}.containers[{number}].{key}"
                raise _invalid(resource.kind, name, where, "Required value", _REQUIRED, resource.group)


def ephemeral(pod: Object, new: list[Object]) -> None:
    """Containers to be added to `spec.ephemeralContainers`; their index counts from the ones already there."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    taken = {c["name"] for key in ("initContainers", "containers") for c in spec.get(key, [])}
    first = len(spec.get("ephemeralContainers", []))
    for number, container in enumerate(new, first):
        field = f"spec.ephemeralContainers[{number}]"

        def refuse(part: str, why: str, reason: str, at: str = field) -> status.ApiError:
            return _invalid("Pod", name, f"{at}.{part}", why, reason)

        if container["name"] in taken:
            raise refuse("name", f'Duplicate value: "{container["name"]}"', _DUPLICATE)
        if not container.get("image"):
            raise refuse("image", "Required value", _REQUIRED)
        _check_target(container, spec, refuse)
        for key in _NOT_EPHEMERAL:
            if container.get(key):
                raise refuse(key, "Forbidden: cannot be set for an Ephemeral Container", _FORBIDDEN)


def _check_target(container: Object, spec: Object, refuse: Any) -> None:
    target = container.get("targetContainerName")
    names = [c["name"] for key in ("initContainers", "containers") for c in spec.get(key, [])]
    if target and target not in names:
        raise refuse("targetContainerName", f'Not found: "{target}"', _NOT_FOUND)


def ephemeral_kept(pod: Object, name: str, change: str) -> status.ApiError:
    """An entry that exists may neither be `changed` nor `removed`."""
    why = f'Forbidden: existing ephemeral containers "{name}" may not be {change}\n'
    return _invalid("Pod", pod["metadata"]["name"], "spec.ephemeralContainers", why, _FORBIDDEN)


def same_identity(target: Target, stored: Object, sent: Object) -> None:
    """A patch that names uid or resourceVersion must mean the object that is there."""
    meta = sent.get("metadata") or {}
    name = stored["metadata"]["name"]
    if meta.get("resourceVersion", stored["metadata"]["resourceVersion"]) != stored["metadata"]["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise status.conflict(target.resource.plural, name, why, target.resource.group)
    if meta.get("uid", stored["metadata"]["uid"]) != stored["metadata"]["uid"]:
        why = f'Invalid value: "{meta["uid"]}": field is immutable'
        raise _invalid(target.resource.kind, name, "metadata.uid", why, _INVALID, target.resource.group)
