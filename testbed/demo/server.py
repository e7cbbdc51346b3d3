"""The API server: authentication, faults, rights, then the handler of the verb."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from testbed.demo import answers, control, discovery, execute, review, status
from testbed.demo.agent import Agent
from testbed.demo.controllers import Controllers
from testbed.demo.faults import Fault, Faults
from testbed.demo.faulty import StreamFault
from testbed.demo.kubelet import Kubelet
from testbed.demo.resources import PODS
from testbed.demo.rest import get, json_response, list_objects, watch
from testbed.demo.store import Store
from testbed.demo.target import Target, parse
from testbed.demo.users import ANONYMOUS, User, Wanted, may
from testbed.demo.write import Writer

_TRUE = ("true", "1")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# As the server's own limit for a request body (apiserver: MaxRequestBodyBytes).
BODY_LIMIT = 3 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Server:
    """Everything a request needs. `admin` is the token of the control door, `facts` what it tells."""

    store: Store
    kubelet: Kubelet
    controllers: Controllers
    agent: Agent
    faults: Faults
    tokens: Mapping[str, User]
    admin: str
    facts: dict[str, Any]

    def application(self) -> web.Application:
        app = web.Application(client_max_size=BODY_LIMIT)
        app.add_subapp("/_demo/", control.application(self.admin, self.faults, self.store, self.facts))
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take(request.method, request.path_qs)

        async def proceed() -> web.StreamResponse:
            try:
                return await self._answer(request, fault)
            except status.ApiError as error:
                return answers.error_response(error)

        return await (answers.play(fault, request, proceed) if fault else proceed())

    def _user(self, request: web.Request) -> User:
        header = request.headers.get("Authorization", "")
        if not header:
            return ANONYMOUS
        user = self.tokens.get(header.removeprefix("Bearer ").strip())
        if user is None:
            raise status.unauthorized()
        return user

    async def _answer(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        user = self._user(request)
        if (found := discovery.answer(request.path, user)) is not None:
            return json_response(found)
        parts = request.path.strip("/").split("/")
        if parts[:3] == ["apis", "authorization.k8s.io", "v1"] and len(parts) == 4 and request.method == "POST":
            _authorise(user, Wanted("create", parts[3], "authorization.k8s.io"))
            return await review.answer(request, user, parts[3])
        target = parse(request.path)
        if target is None:
            if not may(user, Wanted("get", "*")):
                raise status.forbidden_path(user, request.path, request.method.lower())
            raise status.no_such_path()
        verb = _verb(request, target)
        _authorise(user, _wanted(verb, target))
        if not target.known:
            raise status.no_such_resource()
        return await self._obey(request, user, target, verb, fault)

    async def _obey(
        self, request: web.Request, user: User, target: Target, verb: str, fault: Fault | None
    ) -> web.StreamResponse:
        if target.resource is PODS and target.subresource == "exec":
            if request.method not in ("GET", "POST"):
                raise status.method_not_allowed()
            return await self._exec(request, user, target, fault)
        match verb:
            case "get" if not target.subresource or target.subresource in ("status", "ephemeralcontainers"):
                return get(self.store, target)
            case "list":
                return list_objects(self.store, target, request.query)
            case "watch":
                return await watch(self.store, target, request)
            case "create" | "patch" | "update" | "delete":
                return await Writer(self.store, self.controllers).obey(verb, target, request)
            case _:
                raise status.no_such_resource()

    async def _exec(self, request: web.Request, user: User, target: Target, fault: Fault | None) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if upgrade and not may(user, _wanted("create", target)):
            # Since 1.35 a WebSocket needs `create` too, and the server gives no reason for this one.
            raise status.refused("pods", target.name, "")
        stream = StreamFault(fault, request)
        try:
            return await execute.serve(request, self.store, self.kubelet, self.agent, target, stream)
        finally:
            stream.close()


def _verb(request: web.Request, target: Target) -> str:
    if request.method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if request.query.get("watch") in _TRUE else "list"
    return _VERBS.get(request.method, request.method.lower())


def _wanted(verb: str, target: Target) -> Wanted:
    return Wanted(verb, target.authorised_as, target.resource.group, target.namespace, target.name)


def _authorise(user: User, wanted: Wanted) -> None:
    if not may(user, wanted):
        raise status.forbidden(user, wanted)
