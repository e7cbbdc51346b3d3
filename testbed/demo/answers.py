"""Answers that are not the API's: faults of a whole request, played before or instead of the real handler."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from testbed.demo import status
from testbed.demo.faults import Fault, Kind
from testbed.demo.store import dump

Handler = Callable[[], Awaitable[web.StreamResponse]]
_FOREVER = 1 << 62
# A pause, or the kernel would join the bytes on their way.
_BETWEEN_BYTES = 0.002
_STAMP = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z"')
_PAGE = (
    "<!DOCTYPE html><html><head><title>403 Forbidden</title></head><body><h1>Access denied</h1>"
    "<p>Your request was blocked by the corporate proxy. Reference 18.4f2e.</p></body></html>\n"
)


def error_response(error: status.ApiError) -> web.Response:
    if error.text:
        return web.Response(
            status=error.code, text=error.message, headers=error.headers | {"X-Content-Type-Options": "nosniff"}
        )
    body = dump(error.status()) + b"\n"
    return web.Response(status=error.code, body=body, content_type="application/json", headers=error.headers)


async def play(fault: Fault, request: web.Request, proceed: Handler) -> web.StreamResponse:
    """Answer a request as the fault wants it; faults of exec streams proceed, their hooks sit in the stream."""
    match fault.kind:
        case Kind.REFUSE:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case Kind.DELAY:
            await asyncio.sleep(fault.seconds)
        case Kind.HTML_403:
            return web.Response(status=403, text=_PAGE, content_type="text/html", headers={"Via": "1.1 proxy"})
        case Kind.GONE:
            return await _gone(request)
        case Kind.TOO_MANY | Kind.SERVER_ERROR | Kind.UNAUTHORIZED:
            return error_response(_error(fault))
        case Kind.CLOCK_SKEW:
            return _shift(await proceed(), fault.seconds)
        case Kind.TRICKLE | Kind.NO_FIRST_BYTE if "/exec" not in request.path:
            return await _slowly(fault, request, await proceed())
        case _:
            pass
    return await proceed()


def _error(fault: Fault) -> status.ApiError:
    if fault.kind is Kind.UNAUTHORIZED:
        return status.unauthorized()
    seconds = int(fault.seconds) or 1
    if fault.kind is Kind.TOO_MANY:
        text = "Too many requests, please try again later."
        after = {"Retry-After": str(seconds)}
        # The server's own answer when its priority queues are full is text; API machinery makes a Status of it.
        return status.ApiError(429, "TooManyRequests", text, headers=after, retryAfterSeconds=seconds)
    if fault.code == 500:
        return status.ApiError(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
    if fault.code == 504:
        return status.ApiError(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
    return status.ApiError(fault.code, "", f"upstream answered {fault.code}\n", text=True)


async def _gone(request: web.Request) -> web.StreamResponse:
    error = status.expired("too old resource version: 1 (2)")
    if request.query.get("watch") in ("1", "true"):
        return web.Response(
            body=dump({"type": "ERROR", "object": error.status()}) + b"\n", content_type="application/json"
        )
    return error_response(error)


def _shift(response: web.StreamResponse, seconds: float) -> web.StreamResponse:
    delta = dt.timedelta(seconds=seconds)
    response.headers["Date"] = email.utils.format_datetime(dt.datetime.now(dt.UTC) + delta, usegmt=True)
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = _STAMP.sub(lambda found: _moved(found[1], delta), response.body)
    return response


def _moved(stamp: bytes, delta: dt.timedelta) -> bytes:
    moved = dt.datetime.fromisoformat(stamp.decode()) + delta
    return f'"{moved:%Y-%m-%dT%H:%M:%SZ}"'.encode()


async def _slowly(fault: Fault, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if fault.kind is Kind.NO_FIRST_BYTE:
        await asyncio.sleep(fault.seconds or _FOREVER)
        return response
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    slow = web.StreamResponse(status=response.status, headers=response.headers)
    slow.content_length = len(response.body)
    await slow.prepare(request)
    for byte in response.body:
        await slow.write(bytes([byte]))
        await asyncio.sleep(_BETWEEN_BYTES)
    await slow.write_eof()
    return slow
