"""Reading: get, paged list, watch with bookmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from testbed.demo import select, status
from testbed.demo.store import Change, Object, Store, dump, with_kind
from testbed.demo.target import Target

# A real server sends bookmarks about once a minute; ours more often, so that tests see one.
BOOKMARK_SECONDS = 1.0
# As kube-apiserver's --min-request-timeout, when the client names none.
WATCH_SECONDS = 1800.0
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
    " Continuing with the provided token results in an inconsistent list - objects that were created, modified, or"
    " deleted between the time the first chunk was returned and now may show up in the list."
)


def json_response(value: Any, code: int = 200) -> web.Response:
    return web.Response(body=dump(value), status=code, content_type="application/json")


def get(store: Store, target: Target) -> web.Response:
    return json_response(with_kind(target.resource, store.get(target.resource, target.namespace, target.name)))


def _matcher(target: Target, query: Any) -> Callable[[Object], bool]:
    by_field = select.fields(target.resource, query.get("fieldSelector", ""))
    by_label = select.labels(query.get("labelSelector", ""))
    return lambda obj: by_field(obj) and by_label(obj)


def list_objects(store: Store, target: Target, query: Any) -> web.Response:
    """Paged as the server does it: `limit` objects, a continue token, and how many remain."""
    matches = _matcher(target, query)
    selected = bool(query.get("fieldSelector") or query.get("labelSelector"))
    limit = _number(query.get("limit", "0"))
    _check_version(store, query.get("resourceVersion", ""))
    version, after = store.version, None
    if token := query.get("continue", ""):
        version, after = select.read_token(token)
        if store.is_gone(version):
            raise status.expired(_TOO_OLD)
    rows = [row for row in store.rows(target.resource, target.namespace) if matches(row[1])]
    if after is not None:
        rows = [row for row in rows if f"{row[0][0]}/{row[0][1]}" > f"{after[0]}/{after[1]}"]
    meta: Object = {"resourceVersion": str(version)}
    if limit and len(rows) > limit:
        meta["continue"] = select.make_token(version, rows[limit - 1][0])
        if not selected:
            meta["remainingItemCount"] = len(rows) - limit  # left out with selectors, as by the server
        rows = rows[:limit]
    head = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version, "metadata": meta}
    body = dump(head)[:-1] + b',"items":[' + b",".join(store.raw(target.resource, key) for key, _ in rows) + b"]}\n"
    return web.Response(body=body, content_type="application/json")


def _number(text: str) -> int:
    try:
        return max(0, int(text))
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _check_version(store: Store, asked: str) -> None:
    """A list `at least as new as` a version; one from the future is answered at once, not after three seconds."""
    if not asked:
        return
    if not asked.isdecimal():
        raise status.bad_request(f"invalid resource version: {_unparsable(asked)}")
    if int(asked) > store.version:
        text = f"Timeout: Too large resource version: {asked}, current: {store.version}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        after = {"Retry-After": "1"}
        raise status.ApiError(504, "Timeout", text, headers=after, causes=causes, retryAfterSeconds=1)


def _unparsable(version: str) -> str:
    return f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'


async def watch(store: Store, target: Target, request: web.Request) -> web.StreamResponse:
    query = request.query
    matches = _matcher(target, query)
    version, state = _start(store, query.get("resourceVersion", ""))
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    if state == "gone":
        error = status.expired(f"too old resource version: {version} ({store.version})")
        await response.write(dump({"type": "ERROR", "object": error.status()}) + b"\n")
        await response.write_eof()
        return response
    if state == "everything":
        for _, obj in store.rows(target.resource, target.namespace):
            if matches(obj):
                await response.write(_event("ADDED", target, obj))
        version = store.version
    deadline = time.monotonic() + (float(query.get("timeoutSeconds") or 0) or WATCH_SECONDS)
    bookmarks = query.get("allowWatchBookmarks", "") in ("true", "1")
    while (left := deadline - time.monotonic()) > 0:
        for change in list(store.since(version)):
            version = change.version
            if _concerns(change, target) and matches(change.object):
                await response.write(_event(change.type, target, change.object))
        if not await store.changed(min(left, BOOKMARK_SECONDS)) and bookmarks:
            await response.write(_bookmark(target, version))
        if _is_gone(request):
            return response
    await response.write_eof()
    return response


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _start(store: Store, asked: str) -> tuple[int, str]:
    if asked in ("", "0"):
        return store.version, "everything"
    if not asked.isdecimal():
        raise status.ApiError(500, "", _unparsable(asked))  # the server's own choice of code
    version = int(asked)
    return version, "gone" if store.is_gone(version) else "changes"


def _concerns(change: Change, target: Target) -> bool:
    if change.resource is not target.resource:
        return False
    return not target.namespace or change.object["metadata"].get("namespace", "") == target.namespace


def _event(kind: str, target: Target, obj: Object) -> bytes:
    return dump({"type": kind, "object": with_kind(target.resource, obj)}) + b"\n"


def _bookmark(target: Target, version: int) -> bytes:
    meta = {"resourceVersion": str(version), "creationTimestamp": None}
    body = {"kind": target.resource.kind, "apiVersion": target.resource.api_version, "metadata": meta}
    return dump({"type": "BOOKMARK", "object": body}) + b"\n"
