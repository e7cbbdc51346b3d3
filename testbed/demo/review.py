"""Access reviews: what may I do?"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from testbed.demo import status
from testbed.demo.rest import json_response
from testbed.demo.users import User, Wanted, may, rules_in

_GROUP = "authorization.k8s.io"
_ALLOWED = 'RBAC: allowed by RoleBinding "demo/{0}" of Role "demo" to User "{0}"'


async def answer(request: web.Request, user: User, kind: str) -> web.Response:
    body: dict[str, Any] = await request.json()
    match kind:
        case "selfsubjectaccessreviews":
            return json_response(_access(user, body), 201)
        case "selfsubjectrulesreviews":
            return json_response(_rules(user, body), 201)
        case _:
            raise status.no_such_path()


def _head(kind: str) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": f"{_GROUP}/v1", "metadata": {}}


def _access(user: User, body: dict[str, Any]) -> dict[str, Any]:
    spec = body.get("spec", {})
    if ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        why = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise status.invalid("", "", "spec.resourceAttributes", why, "FieldValueInvalid", _GROUP)
    asked = {key: value for key, value in spec.get("resourceAttributes", {}).items() if value}
    spec = {**spec, **({"resourceAttributes": asked} if asked else {})}
    resource = asked.get("resource", "")
    if subresource := asked.get("subresource", ""):
        resource = f"{resource}/{subresource}"
    wanted = Wanted(asked.get("verb", ""), resource, asked.get("group", ""), asked.get("namespace", ""))
    allowed = may(user, wanted)
    result: dict[str, Any] = {"allowed": allowed}
    if allowed and "system:masters" not in user.groups:
        result["reason"] = _ALLOWED.format(user.name)
    return _head("SelfSubjectAccessReview") | {"spec": spec, "status": result}


def _rules(user: User, body: dict[str, Any]) -> dict[str, Any]:
    namespace = body.get("spec", {}).get("namespace", "")
    if not namespace:
        raise status.bad_request("no namespace on request")
    rules = [
        {"verbs": list(rule.verbs), "apiGroups": [rule.group], "resources": list(rule.resources)}
        for rule in rules_in(user, namespace)
    ]
    own = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    rules.append({"verbs": ["create"], "apiGroups": [_GROUP], "resources": own})
    rules.append({"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]})
    paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
    ]
    result = {"resourceRules": rules, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": paths}]}
    return _head("SelfSubjectRulesReview") | {"spec": {}, "status": result | {"incomplete": False}}
