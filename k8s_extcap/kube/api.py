"""Six verbs on the API server over the library's configured connection pool: raw answers, decoded by msgspec.

The typed client builds every model it touches (0.6 s) and every field of every object; we read a dozen fields.
Every refusal becomes one error of `model.errors`, with the server's own words. Safe to use from several threads.
"""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3

from k8s_extcap.kube.login import Login
from k8s_extcap.kube.refused import refusal
from k8s_extcap.kube.unreached import unreached
from k8s_extcap.model.errors import ConnectError, ExtcapError, RefusedError
from k8s_extcap.model.objects import UNREADABLE, ListMeta
from k8s_extcap.model.plan import Tri

_log = logging.getLogger(__name__)
T = TypeVar("T")
Params = dict[str, str | int | bool]

STRATEGIC = "application/strategic-merge-patch+json"
PAGE = 500  # objects of one list request, client-go's own page size
TRIES = 3  # of a request the server asked us to repeat (429, 503, 504)
RESTARTS = 3  # of a list whose continuation expired: each page has minutes, so a second time is rare
LARGEST = 64 << 20  # bytes of one answer: a page of 500 pods has some 5 MB, and 128 kB is a large pod
LONGEST = 60.0  # seconds for all of one answer
PATIENCE = 10.0  # seconds: the longest Retry-After that is waited for


class Api:
    """`server` is the base URL, `headers` go with each request, `login` authorizes it and is never logged."""

    def __init__(
        self,
        pool: urllib3.PoolManager,
        server: str,
        headers: dict[str, str],
        timeout: float,
        login: Login | None = None,
    ) -> None:
        self._pool = pool
        self.server = server.rstrip("/")
        self._headers = headers
        self._timeout = timeout
        self._skew = 0.0
        self._login = login

    def now(self) -> float:
        """The server's clock, epoch seconds: ages of objects are judged by it, not by a laptop's."""
        return time.time() + self._skew

    def get(self, path: str, params: Params | None = None) -> bytes:
        return self._request("GET", path, params)

    def get_as(self, path: str, kind: type[T], params: Params | None = None) -> T:
        return decode(self.get(path, params), kind, path)

    def pages(self, path: str, kind: type[T], params: Params | None = None, limit: int = PAGE) -> Iterator[T]:
        """The pages of a list, each object once. A continuation that expired (410) goes on with the inconsistent list
        that the server offers in that answer, or begins again after what was given already.
        """
        token, last, expired = "", "", 0
        while True:
            page: Params = {**(params or {}), "limit": limit}
            if token:
                page["continue"] = token
            try:
                result: Any = self.get_as(path, kind, page)
            except RefusedError as error:
                expired += 1
                if error.status != 410 or not token or expired > RESTARTS:
                    raise
                token = error.continue_
                continue
            if expired:
                result = msgspec.structs.replace(result, items=tuple(i for i in result.items if _key(i) > last))
            last = max((last, *(_key(item) for item in result.items[-1:])))
            yield result
            meta: ListMeta = result.metadata
            token = meta.continue_
            if not token:
                return

    def create(self, path: str, body: Any, *, dry_run: bool = False) -> bytes:
        return self._request("POST", path, _dry(dry_run), body)

    def patch(self, path: str, body: Any, content_type: str = STRATEGIC, *, dry_run: bool = False) -> bytes:
        return self._request("PATCH", path, _dry(dry_run), body, content_type)

    def delete(self, path: str, *, uid: str = "") -> bool:
        """True if it is (being) deleted, False if it was gone. `uid`: only that very object (precondition)."""
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._request("DELETE", path, None, body)
        except RefusedError as error:
            if error.status == 404:
                return False
            if error.status == 409 and uid:
                return False  # another object has taken the name: ours is gone
            raise
        return True

    def may(self, verb: str, resource: str, *, namespace: str, subresource: str = "") -> Tri:
        """Whether this user may: yes, no, or unknown (the review itself failed). `resource` may be `jobs.batch`."""
        plain, _, group = resource.partition(".")
        attributes = {
            "verb": verb,
            "resource": plain,
            "group": group,
            "subresource": subresource,
            "namespace": namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        try:
            answer = msgspec.json.decode(
                self.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review), type=_Review
            )
        except (ExtcapError, *UNREADABLE) as error:
            _log.info("access review of %s %s: %s", verb, resource, error)
            return None
        return answer.status.allowed

    def _request(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> bytes:
        url = self.server + path
        if params:
            url += ("&" if "?" in path else "?") + urlencode(params)
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = msgspec.json.encode(body)
        renewed = False
        for attempt in range(1, TRIES + 1):
            given = self._login.current() if self._login else None
            if given and given.authorization:
                headers["Authorization"] = given.authorization
            answer = self._send(method, url, headers, data)
            _log.debug("%s %s: %d, %d bytes", method, url, answer.status, len(answer.data))
            if answer.status < 400:
                return answer.data
            pause = _pause(answer, method)
            if answer.status == 401 and self._login and given and not renewed and self._login.refused(given):
                renewed, pause = True, 0.0  # nothing was done, so it may be asked again, with what was obtained now
            if pause is None or attempt == TRIES:
                self._refuse(answer, method, path)
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _send(self, method: str, url: str, headers: dict[str, str], data: bytes | None) -> _Answer:
        try:
            answer = self._pool.request(
                method,
                url,
                headers=headers,
                body=data,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = self._whole(answer)
        except urllib3.exceptions.HTTPError as error:
            proxy = getattr(self._pool, "proxy", None)
            raise ConnectError(unreached(self.server, error, str(proxy or ""))) from error
        date = email.utils.parsedate_tz(answer.headers.get("Date"))
        if date:
            self._skew = email.utils.mktime_tz(date) - time.time()
        return _Answer(answer.status, answer.headers, content)

    def _whole(self, answer: urllib3.response.BaseHTTPResponse) -> bytes:
        """All of it; ConnectError for one without an end, be it fast or slow."""
        parts, size, until = [], 0, time.monotonic() + LONGEST
        while piece := answer.read1(1 << 16, decode_content=True):
            parts.append(piece)
            size += len(piece)
            if size > LARGEST or time.monotonic() > until:
                answer.close()
                raise ConnectError(
                    f"The answer of {self.server} has no end: {size >> 20} MiB were read. That is no API server, or a "
                    "proxy before it is broken. Check the server address in the kubeconfig."
                )
        answer.release_conn()
        return b"".join(parts)

    def _refuse(self, answer: _Answer, method: str, path: str) -> NoReturn:
        said = self._login.hidden(answer.data) if self._login else answer.data
        seconds = _after(answer) or 0.0
        raise refusal(answer.status, said, f"{method} {path.partition('?')[0]}", self.server, seconds)


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    data: bytes


def _after(answer: _Answer) -> float | None:
    """The server's Retry-After in seconds, None where it says none; a day at most."""
    said = answer.headers.get("Retry-After", "")
    return min(float(said), 86_400.0) if said.isdecimal() else None


def _key(item: Any) -> str:
    """What the server orders a list by: the storage's key."""
    return f"{item.metadata.namespace}/{item.metadata.name}"


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Allowed = _Allowed()


def decode(data: bytes, kind: type[T], path: str) -> T:
    """The answer as `kind`. ConnectError where it is no such JSON: something else than an API server answered."""
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE as error:
        start = data[:60].decode(errors="replace")
        raise ConnectError(
            f"The answer to {path} is not what a Kubernetes API server sends ('{start}…'). Check the server address "
            "and the proxy in the kubeconfig."
        ) from error


def _dry(dry_run: bool) -> Params | None:
    return {"dryRun": "All"} if dry_run else None


def _pause(answer: _Answer, method: str) -> float | None:
    """Seconds until the same request is worth repeating, None if it is not."""
    if answer.status == 429 or (answer.status in (503, 504) and method == "GET"):
        after = _after(answer)
        seconds = 1.0 if after is None else after
        return seconds if seconds <= PATIENCE else None
    return None
