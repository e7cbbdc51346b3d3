"""`/_demo/`: how tests set faults and look behind the scenes. Its token is not a user's."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from testbed.demo.faults import Faults, from_json
from testbed.demo.rest import json_response
from testbed.demo.store import Store

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(token: str, faults: Faults, store: Store, facts: dict[str, Any]) -> web.Application:
    """GET/POST/DELETE `faults`, POST `forget` (compaction), GET `facts`."""

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not secrets.compare_digest(request.headers.get("Authorization", ""), f"Bearer {token}"):
            raise web.HTTPForbidden(text="This is the control door of the demo cluster; its token is missing.\n")
        return await handler(request)

    async def add(request: web.Request) -> web.Response:
        try:
            fault = from_json(await request.json())
        except (ValueError, TypeError, KeyError) as error:
            raise web.HTTPBadRequest(text=f"No such fault: {error}\n") from error
        return json_response({"id": faults.add(fault)}, 201)

    async def hits(_request: web.Request) -> web.Response:
        return json_response({str(number): count for number, count in faults.hits().items()})

    async def clear(request: web.Request) -> web.Response:
        faults.clear(int(request.query["id"]) if "id" in request.query else None)
        return json_response({})

    async def forget(_request: web.Request) -> web.Response:
        store.forget()
        return json_response({})

    async def tell(_request: web.Request) -> web.Response:
        return json_response(facts)

    app = web.Application(middlewares=[guard])
    app.router.add_post("/faults", add)
    app.router.add_get("/faults", hits)
    app.router.add_delete("/faults", clear)
    app.router.add_post("/forget", forget)
    app.router.add_get("/facts", tell)
    return app
