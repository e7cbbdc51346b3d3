"""Label and field selectors, and paging by continue token."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from testbed.demo import status
from testbed.demo.resources import Resource
from testbed.demo.store import Object

Matcher = Callable[[Object], bool]

# Field selectors beyond metadata.name and metadata.namespace, per resource (pkg/apis/core/v1/conversion.go).
_FIELDS = {
    "pods": (
        "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork status.phase"
        " status.podIP status.nominatedNodeName"
    ).split(),
    "nodes": ["spec.unschedulable"],
    "namespaces": ["status.phase"],
    "events": (
        "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid reason type source"
    ).split(),
}
_REQUIREMENT = re.compile(r"^\s*([^\s=!,()]+)\s*(==|=|!=|\s+in\s+|\s+notin\s+)\s*(.*?)\s*$")


def _lookup(obj: Any, path: str) -> str:
    for part in path.split("."):
        obj = obj.get(part, "") if isinstance(obj, dict) else ""
    return str(obj)


def fields(resource: Resource, text: str) -> Matcher:
    """A fieldSelector; an unknown field is the caller's mistake."""
    tests: list[Matcher] = []
    for part in filter(None, text.split(",")):
        negated = "!=" in part
        key, _, value = part.partition("!=" if negated else "=")
        value = value.lstrip("=")
        if key not in ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.plural, ())):
            raise status.bad_request(
                f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match label selector "",'
                f' field selector "{text}": field label not supported: {key}'
            )
        tests.append(lambda obj, k=key, v=value, n=negated: (_lookup(obj, k) == v) is not n)
    return lambda obj: all(test(obj) for test in tests)


def labels(text: str) -> Matcher:
    """A labelSelector: equality, sets, existence."""
    tests: list[Matcher] = []
    for part in filter(None, (p.strip() for p in re.split(r",(?![^()]*\))", text))):
        tests.append(_requirement(part))
    return lambda obj: all(test(obj) for test in tests)


def _requirement(part: str) -> Matcher:
    def value_of(obj: Object, key: str) -> str | None:
        found: str | None = obj["metadata"].get("labels", {}).get(key)
        return found

    if matched := _REQUIREMENT.match(part):
        key, operator, value = matched[1], matched[2].strip(), matched[3]
        wanted = {v.strip() for v in value.strip("()").split(",")}
        negated = operator in ("!=", "notin")
        return lambda obj: (value_of(obj, key) in wanted) is not negated
    if part.startswith("!"):
        return lambda obj: value_of(obj, part[1:]) is None
    return lambda obj: value_of(obj, part) is not None


def make_token(version: int, key: tuple[str, str]) -> str:
    """As apiserver/pkg/storage/continue.go: base64 of JSON with the version and the key to start from."""
    body = {"v": "meta.k8s.io/v1", "rv": version, "start": f"{key[0]}/{key[1]}\u0000"}
    return base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).rstrip(b"=").decode()


def read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body = json.loads(raw)
        namespace, _, name = str(body["start"]).rstrip("\0").partition("/")
        return int(body["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise status.bad_request("continue key is not valid: " + _go_error(token, error)) from error


def _go_error(_token: str, error: Exception) -> str:
    return "illegal base64 data at input byte 0" if isinstance(error, binascii.Error) else str(error)
