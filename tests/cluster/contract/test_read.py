"""Lists, selectors, pages, watches, reviews and the refusals of each, the same on both clusters."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any
from urllib.parse import quote

import pytest

from testbed.demo.rawclient import Client
from tests.cluster.contract.side import Side

REVIEWS = "/apis/authorization.k8s.io/v1"
UNPARSABLE = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
LISTS = {
    "/api/v1/pods": "PodList",
    "/api/v1/namespaces": "NamespaceList",
    "/api/v1/nodes": "NodeList",
    "/api/v1/services": "ServiceList",
    "/api/v1/events": "EventList",
    "/apis/apps/v1/deployments": "DeploymentList",
    "/apis/apps/v1/statefulsets": "StatefulSetList",
    "/apis/apps/v1/daemonsets": "DaemonSetList",
    "/apis/apps/v1/replicasets": "ReplicaSetList",
    "/apis/batch/v1/jobs": "JobList",
    "/apis/discovery.k8s.io/v1/endpointslices": "EndpointSliceList",
}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_and_its_items(side: Side, path: str) -> None:
    body = asyncio.run(side.admin.get(path)).json
    assert body["kind"] == LISTS[path]
    assert body["metadata"]["resourceVersion"].isdecimal()
    assert all("kind" not in item and "apiVersion" not in item for item in body["items"])
    assert all(
        set(item["metadata"]) >= {"name", "uid", "resourceVersion", "creationTimestamp"} for item in body["items"]
    )


def test_a_single_object_has_its_kind(side: Side) -> None:
    pod = asyncio.run(side.admin.get(f"{side.pods()}/{side.older}")).json
    assert list(pod)[:2] == ["kind", "apiVersion"]
    assert (pod["kind"], pod["apiVersion"]) == ("Pod", "v1")


def test_pages_are_the_whole(side: Side) -> None:
    async def scenario() -> tuple[list[str], list[list[str]]]:
        whole = (await side.admin.get(side.pods())).json
        pages, token = [], ""
        while True:
            body = (await side.admin.get(f"{side.pods()}?limit=2&continue={token}")).json
            pages.append([item["metadata"]["name"] for item in body["items"]])
            left = body["metadata"].get("remainingItemCount")
            token = body["metadata"].get("continue", "")
            assert (left is None) is (token == "")
            if not token:
                return [item["metadata"]["name"] for item in whole["items"]], pages

    names, pages = asyncio.run(scenario())
    assert list(itertools.chain.from_iterable(pages)) == names == sorted(names)
    assert {len(page) for page in pages[:-1]} == {2}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fieldSelector=metadata.name=older", {"older"}),
        ("fieldSelector=status.phase=Running", {"older", "newer", "two"}),
        ("fieldSelector=status.phase!=Running", {"pending", "broken"}),
        ("labelSelector=app=nothing", set()),
        ("fieldSelector=metadata.name=older,status.phase=Pending", set()),
    ],
)
def test_selectors(side: Side, query: str, expected: set[str]) -> None:
    key, _, value = query.partition("=")
    items = asyncio.run(side.admin.get(f"{side.pods()}?{key}={quote(value)}")).json["items"]
    fixed = {side.older, side.newer, side.two, side.pending, side.broken}
    assert {item["metadata"]["name"] for item in items} & fixed == expected


BAD = {
    "limit=x": (400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax'),
    "limit=2&continue=xx": (
        400,
        "BadRequest",
        "invalid continue token: continue key is not valid: invalid character 'Ç' looking for beginning of value",
    ),
    "fieldSelector=foo%3Dbar": (400, "BadRequest", "field label not supported: foo"),
    "labelSelector=a%20b": (
        400,
        "BadRequest",
        "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
    ),
    "resourceVersion=abc": (
        400,
        "BadRequest",
        f"invalid resource version: {UNPARSABLE}",
    ),
    "watch=1&resourceVersion=abc": (
        500,
        None,
        UNPARSABLE,
    ),
}


@pytest.mark.parametrize("query", BAD)
def test_bad_queries(side: Side, query: str) -> None:
    answer = asyncio.run(side.admin.get(f"/api/v1/pods?{query}"))
    assert (answer.code, answer.json.get("reason"), answer.json["message"]) == BAD[query]


def test_a_version_from_the_future(side: Side) -> None:
    answer = asyncio.run(side.admin.get("/api/v1/pods?resourceVersion=999999999"))
    assert (answer.code, answer.json["reason"], answer.headers["Retry-After"]) == (504, "Timeout", "1")
    assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.json["message"].startswith("Timeout: Too large resource version: 999999999, current: ")


def test_a_watch_begins_with_what_is_there_and_goes_on(side: Side) -> None:
    name = f"metadata.name%3D{side.older}"
    path = f"{side.pods()}?watch=1&fieldSelector={name}&timeoutSeconds=5"
    for _ in range(20):
        (event,) = asyncio.run(side.admin.lines(path, 1))
        if event["object"].get("reason") != "Timeout":
            break
        time.sleep(1)  # `Too large resource version`: right after writes a real server asks for this second
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Pod")
    assert event["object"]["metadata"]["name"] == side.older


def test_a_watch_that_ends_by_its_time(side: Side) -> None:
    version = asyncio.run(side.admin.get(side.pods())).json["metadata"]["resourceVersion"]
    path = f"/api/v1/namespaces/{side.namespace}/services?watch=1&resourceVersion={version}&timeoutSeconds=1"
    answer = asyncio.run(side.admin.get(path))
    assert (answer.code, answer.text) == (200, "")


def test_a_watch_from_a_forgotten_version_is_an_event(side: Side) -> None:
    (event,) = asyncio.run(side.admin.lines("/api/v1/pods?watch=1&resourceVersion=1&timeoutSeconds=5", 1))
    if event["type"] == "ADDED":
        pytest.skip("this real cluster is so young that it still remembers its first version")
    status = event["object"]
    assert (event["type"], status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


MISSING = {
    "/api/v1/namespaces/zzz": (404, 'namespaces "zzz" not found'),
    "/api/v1/namespaces/default/pods/zzz": (404, 'pods "zzz" not found'),
    "/apis/apps/v1/namespaces/default/deployments/zzz": (404, 'deployments.apps "zzz" not found'),
    "/api/v1/zzz": (404, "the server could not find the requested resource"),
    "/api/v1/namespaces/default/zzz": (404, "the server could not find the requested resource"),
}


@pytest.mark.parametrize("path", MISSING)
def test_missing(side: Side, path: str) -> None:
    answer = asyncio.run(side.admin.get(path))
    assert (answer.code, answer.json["message"]) == MISSING[path]
    assert answer.json["reason"] == "NotFound"


@pytest.mark.parametrize("path", ["/zzz", "/apis/zzz/v1/x"])
def test_no_api_at_all(side: Side, path: str) -> None:
    answer = asyncio.run(side.admin.get(path))
    assert (answer.code, answer.text) == (404, "404 page not found\n")


def test_a_namespace_that_is_not_there_has_no_pods(side: Side) -> None:
    answer = asyncio.run(side.admin.get("/api/v1/namespaces/zzz/pods"))
    assert (answer.code, answer.json["items"]) == (200, [])


FORBIDDEN = {
    "/api/v1/pods": 'pods is forbidden: User "dev" cannot list resource "pods" in API group "" at the cluster scope',
    "/api/v1/namespaces/default/pods?watch=1": (
        'pods is forbidden: User "dev" cannot watch resource "pods" in API group "" in the namespace "default"'
    ),
    "/api/v1/namespaces/default/pods/zzz": (
        'pods "zzz" is forbidden: User "dev" cannot get resource "pods" in API group "" in the namespace "default"'
    ),
    "/apis/apps/v1/deployments": (
        'deployments.apps is forbidden: User "dev" cannot list resource "deployments" in API group "apps" at the'
        " cluster scope"
    ),
    "/api/v1/zzz": 'zzz is forbidden: User "dev" cannot list resource "zzz" in API group "" at the cluster scope',
    "/zzz": 'forbidden: User "dev" cannot get path "/zzz"',
}


@pytest.mark.parametrize("path", FORBIDDEN)
def test_forbidden(side: Side, path: str) -> None:
    answer = asyncio.run(side.dev.get(path))
    assert (answer.code, answer.json["reason"], answer.json["message"]) == (403, "Forbidden", FORBIDDEN[path])


def test_credentials(side: Side) -> None:
    wrong, nobody = Client(side.kubeconfig, token="wrong"), Client(side.kubeconfig, token="")
    refused = asyncio.run(wrong.get("/api/v1/pods"))
    assert refused.code == 401
    assert refused.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }
    assert 'User "system:anonymous" cannot list' in asyncio.run(nobody.get("/api/v1/pods")).json["message"]
    version = asyncio.run(nobody.get("/version"))
    assert (version.code, version.json["major"]) == (200, "1")


def _review(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


@pytest.mark.parametrize(
    ("verb", "resource", "subresource", "allowed"),
    [
        ("list", "pods", "", True),
        ("create", "pods", "exec", True),
        ("patch", "pods", "ephemeralcontainers", False),
        ("watch", "pods", "", False),
    ],
)
def test_access_reviews(side: Side, verb: str, resource: str, subresource: str, allowed: bool) -> None:
    asked = {"namespace": side.home, "verb": verb, "resource": resource, "subresource": subresource}
    body = _review("SelfSubjectAccessReview", {"resourceAttributes": asked})
    answer = asyncio.run(side.dev.ask("POST", f"{REVIEWS}/selfsubjectaccessreviews", body))
    assert answer.code == 201
    assert answer.json["status"]["allowed"] is allowed
    assert answer.json["status"].get("reason", "").startswith("RBAC: allowed by ") is allowed
    assert answer.json["spec"]["resourceAttributes"] == {key: value for key, value in asked.items() if value}


def test_rules_review(side: Side) -> None:
    body = _review("SelfSubjectRulesReview", {"namespace": side.home})
    status = asyncio.run(side.dev.ask("POST", f"{REVIEWS}/selfsubjectrulesreviews", body)).json["status"]
    rules = [(rule["verbs"], rule["apiGroups"], rule["resources"]) for rule in status["resourceRules"]]
    assert (["get", "list"], [""], ["pods"]) in rules
    assert (["get", "create"], [""], ["pods/exec"]) in rules
    assert status["incomplete"] is False


def test_reviews_that_ask_nothing(side: Side) -> None:
    async def scenario() -> list[tuple[int, str]]:
        found = []
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview"):
            answer = await side.admin.ask("POST", f"{REVIEWS}/{kind.lower()}s", _review(kind, {}))
            found.append((answer.code, answer.json["message"]))
        return found

    assert asyncio.run(scenario()) == [
        (
            422,
            (
                '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of'
                " nonResourceAttributes or resourceAttributes must be specified"
            ),
        ),
        (400, "no namespace on request"),
    ]
