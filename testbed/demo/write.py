"""Writing: create, patch and delete, with dry run, admission and the server's refusals."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from aiohttp import web

from testbed.demo import defaults, podsecurity, status, validate
from testbed.demo.controllers import Controllers
from testbed.demo.resources import JOBS, NAMESPACES, PODS
from testbed.demo.rest import json_response
from testbed.demo.store import Object, Store, preview, with_kind
from testbed.demo.target import Target

_PATCHES = ("application/strategic-merge-patch+json", "application/merge-patch+json")


@dataclasses.dataclass(frozen=True)
class Writer:
    store: Store
    controllers: Controllers

    async def obey(self, verb: str, target: Target, request: web.Request) -> web.Response:
        if not target.resource.writable:
            raise status.method_not_allowed()
        dry = validate.dry_run(verb, request.query.getall("dryRun", []))
        if verb == "patch" and request.content_type not in _PATCHES:
            raise status.ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", empty_details=True)
        body = _decode(await request.read(), target)
        match verb, target.subresource:
            case "create", "" if not target.name:
                return json_response(with_kind(target.resource, self._create(target, body, dry)), 201)
            case "delete", "" if target.name:
                return json_response(self._delete(target, {**body, **_options(request)}, dry))
            case "patch" | "update", "ephemeralcontainers" if target.resource is PODS:
                return json_response(with_kind(PODS, self._add_ephemeral(target, body, dry)))
            case "patch", "":
                return json_response(with_kind(target.resource, self._patch(target, body, dry)))
            case _:
                raise status.method_not_allowed()

    def _create(self, target: Target, body: Object, dry: bool) -> Object:
        validate.new_object(target, body)
        namespace: Object = {"metadata": {}}
        if target.resource.namespaced:
            namespace = self.store.get(NAMESPACES, "", target.namespace)
        obj = _complete(target, body)
        name = obj["metadata"]["name"]
        if target.resource is PODS:
            podsecurity.admit(namespace, obj)
        if not dry:
            return self.controllers.created(target.resource, self.store.add(target.resource, obj))
        if self.store.find(target.resource, target.namespace, name) is not None:
            raise status.already_exists(target.resource.plural, name, target.resource.group)
        return preview(obj)

    def _patch(self, target: Target, patch: Object, dry: bool) -> Object:
        stored = self.store.get(target.resource, target.namespace, target.name)
        validate.same_identity(target, stored, patch)
        merged = _merge(stored, {k: v for k, v in patch.items() if k not in ("kind", "apiVersion")})
        return merged if dry or merged == stored else self.store.replace(target.resource, merged)

    def _delete(self, target: Target, options: Object, dry: bool) -> Object:
        found = self.store.get(target.resource, target.namespace, target.name)
        _check_preconditions(target, found, options.get("preconditions") or {})
        if not dry:
            found = self.controllers.deleted(target.resource, found, _grace(target, found, options))
        if target.resource is JOBS:
            details = {"name": target.name, "group": JOBS.group, "kind": "jobs", "uid": found["metadata"]["uid"]}
            head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            return {**head, "details": details}
        return with_kind(target.resource, found)

    def _add_ephemeral(self, target: Target, patch: Object, dry: bool) -> Object:
        pod = self.store.get(PODS, target.namespace, target.name)
        validate.same_identity(target, pod, patch)
        held = {c["name"]: c for c in pod["spec"].get("ephemeralContainers", [])}
        sent = (patch.get("spec") or {}).get("ephemeralContainers") or []
        for container in sent:
            old = held.get(container["name"])
            if old is not None and container.get("$patch") == "delete":
                raise validate.ephemeral_kept(pod, container["name"], "removed")
            if old is not None and {**old, **container} != old:
                raise validate.ephemeral_kept(pod, container["name"], "changed")
        added = [container for container in sent if container["name"] not in held]
        if not added:
            return pod
        validate.ephemeral(pod, added)
        full = [defaults.complete_container(container, ephemeral=True) for container in added]
        pod["spec"]["ephemeralContainers"] = [*held.values(), *full]
        pod["metadata"]["generation"] += 1
        podsecurity.admit(self.store.get(NAMESPACES, "", target.namespace), pod)
        if dry:
            return pod
        stored = self.store.replace(PODS, pod)
        self.controllers.ephemeral_added(stored, full)
        return stored


def _complete(target: Target, body: Object) -> Object:
    """The object as it will be stored, but for what the store itself adds."""
    body = copy.deepcopy(body)
    meta = body.get("metadata") or {}
    if target.resource.namespaced:
        meta["namespace"] = target.namespace
    if not meta.get("name"):
        meta["name"] = meta["generateName"] + defaults.suffix()
    obj = {"metadata": meta, **{k: v for k, v in body.items() if k not in ("metadata", "kind", "apiVersion")}}
    if target.resource is PODS:
        validate.pod_spec(PODS, meta["name"], obj.get("spec") or {})
        meta["generation"] = 1
        obj["spec"] = defaults.complete_pod(obj["spec"])
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif target.resource is JOBS:
        template = (obj.get("spec") or {}).get("template") or {}
        validate.pod_spec(JOBS, meta["name"], template.get("spec") or {}, "spec.template.spec")
        meta["generation"] = 1
        obj["spec"] = defaults.complete_job(obj["spec"])
        obj["status"] = {}
    elif target.resource is NAMESPACES:
        meta["labels"] = {**meta.get("labels", {}), "kubernetes.io/metadata.name": meta["name"]}
        obj |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return obj


def _grace(target: Target, found: Object, options: Object) -> int:
    """Seconds between SIGTERM and SIGKILL: the request's, else the pod's own."""
    if target.resource is not PODS:
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(found["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)


def _check_preconditions(target: Target, found: Object, wanted: Object) -> None:
    for key, words in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        real = found["metadata"][key]
        if wanted.get(key, real) == real:
            continue
        why = (
            f"the {words} in the precondition ({wanted[key]}) does not match the {words} in record ({real})."
            " The object might have been deleted and then recreated"
        )
        # The server names the kind here, not the resource.
        raise status.conflict(target.resource.kind, target.name, why, target.resource.group)


def _merge(old: Any, new: Any) -> Any:
    """RFC 7386; lists are replaced whole."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _options(request: web.Request) -> Object:
    """Delete options by query, as kubectl never but some clients do."""
    seconds = request.query.get("gracePeriodSeconds")
    return {"gracePeriodSeconds": int(seconds)} if seconds is not None else {}


def _decode(raw: bytes, target: Target) -> Object:
    if not raw:
        return {}
    try:
        body: Any = json.loads(raw)
        if isinstance(body, dict):
            return body
        error = "json: cannot unmarshal into Go value"
    except ValueError as problem:
        error = str(problem)
    raise status.bad_request(
        f"the object provided is unrecognized (must be of type {target.resource.kind}): couldn't get version/kind;"
        f" json parse error: {error} ({raw[:40].decode(errors='replace')})"
    )
