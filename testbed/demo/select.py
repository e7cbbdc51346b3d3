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
    tests = [_field(resource, part) for part in text.split(",") if part]
    return lambda obj: all(test(obj) for test in tests)


def _field(resource: Resource, part: str) -> Matcher:
    negated = "!=" in part
    key, _, value = part.partition("!=" if negated else "=")
    value = value.removeprefix("=")
    if key not in ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.plural, ())):
        raise status.bad_request(f"field label not supported: {key}")
    return lambda obj: (_lookup(obj, key) == value) is not negated


def labels(text: str) -> Matcher:
    """A labelSelector: equality, sets, existence."""
    tests = [_requirement(part) for p in re.split(r",(?![^()]*\))", text) if (part := p.strip())]
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
    words = part.split()
    if len(words) > 1:
        known = "in, notin, =, ==, !=, gt, lt"
        raise status.bad_request(f"unable to parse requirement: found '{words[1]}', expected: {known}")
    if part.startswith("!"):
        return lambda obj: value_of(obj, part[1:]) is None
    return lambda obj: value_of(obj, part) is not None


def make_token(version: int, key: tuple[str, str]) -> str:
    """As apiserver/pkg/storage/continue.go: base64 of JSON with the version and the key to start from."""
    body = {"v": "meta.k8s.io/v1", "rv": version, "start": f"{'/'.join(filter(None, key))}\u0000"}
    return base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).rstrip(b"=").decode()


def read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body = json.loads(raw)
        namespace, _, name = str(body["start"]).rstrip("\0").rpartition("/")
        return int(body["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise status.bad_request(f"invalid continue token: continue key is not valid: {_reason(token)}") from error


def _reason(token: str) -> str:
    """What Go's decoders say of a broken token, for the two ways in which tokens break."""
    try:
        raw = base64.b64decode(token.replace("-", "+").replace("_", "/") + "=" * (-len(token) % 4), validate=True)
    except binascii.Error:
        bad = next((n for n, char in enumerate(token) if not (char.isalnum() or char in "-_")), len(token) // 4 * 4)
        return f"illegal base64 data at input byte {bad}"
    if not raw:
        return "unexpected end of JSON input"
    return f"invalid character '{raw[:1].decode('latin-1')}' looking for beginning of value"
