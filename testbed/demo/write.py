"""Writing: create, delete, and the patch of ephemeral containers, with dry run and the server's refusals."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from testbed.demo import defaults, status
from testbed.demo.kubelet import Kubelet, created_status
from testbed.demo.resources import NAMESPACES, PODS
from testbed.demo.rest import json_response
from testbed.demo.store import Object, Store, with_kind
from testbed.demo.target import Target
from testbed.demo.users import User

_DEFAULT_NODE = "demo-1"


class Writer:
    def __init__(self, store: Store, kubelet: Kubelet) -> None:
        self._store = store
        self._kubelet = kubelet

    async def obey(self, verb: str, target: Target, user: User, request: web.Request) -> web.Response:
        dry = _dry_run(request)
        body = await _body(request)
        match verb, target.subresource:
            case "create", "":
                return json_response(with_kind(target.resource, self._create(target, body, dry)), 201)
            case "delete", "" if target.name:
                return json_response(await self._delete(target, body, dry))
            case "patch" | "update", "ephemeralcontainers" if target.resource is PODS:
                return json_response(with_kind(PODS, self._add_ephemeral(target, body, dry)))
            case _:
                raise status.ApiError(
                    405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
                )

    def _create(self, target: Target, body: Object, dry: bool) -> Object:
        resource = target.resource
        if not resource.writable:
            raise status.ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        meta = {**body.get("metadata", {})}
        if resource.namespaced:
            meta["namespace"] = target.namespace
            if self._store.find(NAMESPACES, "", target.namespace) is None:
                raise status.not_found("namespaces", target.namespace)
        if "name" not in meta and "generateName" in meta:
            meta["name"] = meta["generateName"] + defaults.suffix()
        obj = {"metadata": meta, **{k: v for k, v in body.items() if k not in ("metadata", "kind", "apiVersion")}}
        if resource is PODS:
            obj["spec"] = defaults.complete_pod(obj["spec"])
            obj["spec"].setdefault("nodeName", _DEFAULT_NODE)
            obj["status"] = created_status(obj)
        return self._store_new(target, obj, dry)

    def _store_new(self, target: Target, obj: Object, dry: bool) -> Object:
        meta = obj["metadata"]
        if dry:
            if self._store.find(target.resource, target.namespace, meta["name"]) is not None:
                raise status.already_exists(target.resource.plural, meta["name"], target.resource.group)
            return obj
        added = self._store.add(target.resource, obj)
        if target.resource is PODS:
            self._kubelet.start_later(meta["namespace"], meta["name"])
        return added

    async def _delete(self, target: Target, options: Object, dry: bool) -> Object:
        found = self._store.get(target.resource, target.namespace, target.name)
        wanted = options.get("preconditions", {})
        for key in ("uid", "resourceVersion"):
            real = found["metadata"][key]
            if wanted.get(key, real) != real:
                raise _precondition(target, key, wanted[key], real)
        if dry:
            return with_kind(target.resource, found)
        if target.resource is PODS:
            await self._kubelet.stop(found)
        self._store.remove(target.resource, target.namespace, target.name)
        return with_kind(target.resource, found)

    def _add_ephemeral(self, target: Target, patch: Object, dry: bool) -> Object:
        pod = self._store.get(PODS, target.namespace, target.name)
        held = {c["name"]: c for c in pod["spec"].get("ephemeralContainers", [])}
        added: list[Object] = []
        for container in patch.get("spec", {}).get("ephemeralContainers", []):
            if container["name"] not in held:
                added.append(defaults.complete_container(container, ephemeral=True))
        pod["spec"]["ephemeralContainers"] = [*held.values(), *added]
        if dry or not added:
            return pod
        stored = self._store.replace(PODS, pod)
        for container in added:
            self._kubelet.run_ephemeral_later(target.namespace, target.name, container)
        return stored


def _precondition(target: Target, key: str, wanted: str, real: str) -> status.ApiError:
    name = "UID" if key == "uid" else "ResourceVersion"
    why = f"Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {real}"
    return status.conflict(target.resource.plural, target.name, why, target.resource.group)


def _dry_run(request: web.Request) -> bool:
    asked = request.query.getall("dryRun", [])
    if not asked:
        return False
    if asked != ["All"]:
        raise status.bad_request(f'dryRun: Unsupported value: "{asked[0]}": supported values: "All"')
    return True


async def _body(request: web.Request) -> Object:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body: Any = json.loads(raw)
    except ValueError as error:
        raise status.bad_request(
            f"the object provided is unrecognized (must be of type DeleteOptions): {error}"
        ) from error
    if not isinstance(body, dict):
        raise status.bad_request("the object provided is unrecognized")
    return body
