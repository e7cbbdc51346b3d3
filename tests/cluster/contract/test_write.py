"""Create, patch, delete, dry run, preconditions and admission, the same on both clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.demo.rawclient import MERGE, V5, Answer, exec_path
from tests.cluster.contract.side import Side, create, helper, patch, until_running

UID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def victim(side: Side) -> Iterator[str]:
    """A running pod of this test alone."""
    name = "victim"
    asyncio.run(_force_delete(side, name))
    assert asyncio.run(side.admin.ask("POST", side.pods(), side.pod(name))).code == 201
    asyncio.run(until_running(side, name))
    yield name
    asyncio.run(_force_delete(side, name))


async def _force_delete(side: Side, name: str) -> None:
    await side.admin.ask("DELETE", f"{side.pods()}/{name}", {"gracePeriodSeconds": 0})


def _failure(answer: Answer) -> tuple[int, str, str]:
    return answer.code, answer.json["reason"], answer.json["message"]


def test_a_dry_run_answers_and_makes_nothing(side: Side) -> None:
    answer = create(side, side.pod("dry"), "?dryRun=All")
    assert (answer.code, answer.json["status"]["phase"]) == (201, "Pending")
    assert "resourceVersion" not in answer.json["metadata"]
    assert "nodeName" not in answer.json["spec"]
    assert asyncio.run(side.admin.get(f"{side.pods()}/dry")).code == 404


def test_a_dry_run_is_all_or_nothing(side: Side) -> None:
    why = 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"'
    assert _failure(create(side, side.pod("dry"), "?dryRun=x")) == (422, "Invalid", why)


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "exists": ({}, 409, "AlreadyExists", 'pods "older" already exists'),
    "other namespace": (
        {"metadata": {"name": "x", "namespace": "other"}},
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    "no name": (
        {"metadata": {}},
        422,
        "Invalid",
        'Pod "" is invalid: metadata.name: Required value: name or generateName is required',
    ),
    "no containers": ({"spec": {}}, 422, "Invalid", 'Pod "older" is invalid: spec.containers: Required value'),
    "no image": (
        {"spec": {"containers": [{"name": "x"}]}},
        422,
        "Invalid",
        'Pod "older" is invalid: spec.containers[0].image: Required value',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_creations(side: Side, case: str) -> None:
    change, *expected = REFUSED[case]
    assert list(_failure(create(side, {**side.pod("older"), **change}))) == expected


def test_a_name_must_be_a_name(side: Side) -> None:
    code, reason, message = _failure(create(side, side.pod("P_2")))
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(
        'Pod "P_2" is invalid: metadata.name: Invalid value: "P_2": a lowercase RFC 1123 subdomain'
    )
    assert message.endswith("([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")


def test_a_namespace_must_be_there(side: Side) -> None:
    answer = asyncio.run(side.admin.ask("POST", "/api/v1/namespaces/zzz/pods", side.pod("x")))
    assert _failure(answer) == (404, "NotFound", 'namespaces "zzz" not found')


def test_rights_to_create(side: Side) -> None:
    answer = asyncio.run(side.dev.ask("POST", side.pods(), side.pod("x")))
    where = f'in the namespace "{side.namespace}"'
    text = f'pods is forbidden: User "dev" cannot create resource "pods" in API group "" {where}'
    assert _failure(answer) == (403, "Forbidden", text)


# ephemeral containers


def test_an_ephemeral_container_runs_beside_its_target(side: Side, victim: str) -> None:
    dry = patch(side, victim, helper(side), query="?dryRun=All")
    assert dry.code == 200
    assert "ephemeralContainers" not in asyncio.run(side.admin.get(f"{side.pods()}/{victim}")).json["spec"]
    answer = patch(side, victim, helper(side, targetContainerName="main"))
    assert answer.code == 200
    entry = answer.json["spec"]["ephemeralContainers"][0]
    assert entry == helper(
        side,
        targetContainerName="main",
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="IfNotPresent",
    )
    pod = asyncio.run(until_running(side, victim, "ephemeralContainerStatuses"))
    assert pod["status"]["ephemeralContainerStatuses"][0]["ready"] is False
    path = exec_path(side.namespace, victim, ["sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '"], "helper")
    seen = asyncio.run(side.admin.run(path, protocols=(V5,))).output()
    assert seen == b"sleep 10000 "  # process 1 of the target, whose PID namespace it shares


def test_an_ephemeral_container_stays_as_it_is(side: Side, victim: str) -> None:
    assert patch(side, victim, helper(side)).code == 200
    again = patch(side, victim, helper(side))
    assert (again.code, len(again.json["spec"]["ephemeralContainers"])) == (200, 1)
    kept = 'Forbidden: existing ephemeral containers "helper" may not be '
    start = f'Pod "{victim}" is invalid: spec.ephemeralContainers: {kept}'
    changed = _failure(patch(side, victim, helper(side, command=["id"])))
    assert changed[:2] == (422, "Invalid")
    assert changed[2].startswith(f"{start}changed\n")
    removed = _failure(patch(side, victim, {"name": "helper", "$patch": "delete"}))
    assert removed == (422, "Invalid", f"{start}removed\n")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a container's name": ({"name": "main"}, '.name: Duplicate value: "main"'),
    "no such target": ({"targetContainerName": "zz"}, '.targetContainerName: Not found: "zz"'),
    "ports": ({"ports": [{"containerPort": 1}]}, ".ports: Forbidden: cannot be set for an Ephemeral Container"),
    "resources": (
        {"resources": {"limits": {"memory": "10Mi"}}},
        ".resources: Forbidden: cannot be set for an Ephemeral Container",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_ephemeral_containers(side: Side, case: str) -> None:
    change, why = WRONG[case]
    expected = f'Pod "older" is invalid: spec.ephemeralContainers[0]{why}'
    assert _failure(patch(side, "older", helper(side, **change))) == (422, "Invalid", expected)


def test_a_patch_that_means_another_pod(side: Side) -> None:
    stale = _failure(patch(side, "older", helper(side), resourceVersion="1"))
    text = "the object has been modified; please apply your changes to the latest version and try again"
    assert stale == (409, "Conflict", f'Operation cannot be fulfilled on pods "older": {text}')
    code, reason, message = _failure(patch(side, "older", helper(side), uid=UID))
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(f'Pod "older" is invalid: metadata.uid: Invalid value: "{UID}": field is immutable')


def test_other_refused_patches(side: Side) -> None:
    path = f"{side.pods()}/older/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [helper(side)]}}
    assert asyncio.run(side.admin.ask("PATCH", path, body, "application/json")).code == 415
    missing = asyncio.run(side.admin.ask("PATCH", f"{side.pods()}/zzz/ephemeralcontainers", body, MERGE))
    assert _failure(missing) == (404, "NotFound", 'pods "zzz" not found')
    refused = asyncio.run(side.dev.ask("PATCH", path, body, MERGE))
    assert refused.code == 403
    assert 'cannot patch resource "pods/ephemeralcontainers"' in refused.json["message"]


# deletion


def test_a_precondition_guards_a_deletion(side: Side, victim: str) -> None:
    path = f"{side.pods()}/{victim}"
    uid = asyncio.run(side.admin.get(path)).json["metadata"]["uid"]
    refused = asyncio.run(side.admin.ask("DELETE", path, {"preconditions": {"uid": UID}}))
    why = (
        f'Operation cannot be fulfilled on Pod "{victim}": the UID in the precondition ({UID}) does not match the UID'
        f" in record ({uid}). The object might have been deleted and then recreated"
    )
    assert _failure(refused) == (409, "Conflict", why)
    dry = asyncio.run(side.admin.ask("DELETE", f"{path}?dryRun=All"))
    assert (dry.code, asyncio.run(side.admin.get(path)).code) == (200, 200)
    done = asyncio.run(side.admin.ask("DELETE", path, {"preconditions": {"uid": uid}}))
    assert (done.code, done.json["kind"]) == (200, "Pod")
    assert "deletionTimestamp" in done.json["metadata"]
    assert asyncio.run(_is_gone(side, path))
    assert asyncio.run(side.admin.ask("DELETE", path)).json["message"] == f'pods "{victim}" not found'


async def _is_gone(side: Side, path: str) -> bool:
    for _ in range(300):
        if (await side.admin.get(path)).code == 404:
            return True
        await asyncio.sleep(0.1)
    return False


def test_a_job_and_its_pod(side: Side) -> None:
    path = f"/apis/batch/v1/namespaces/{side.namespace}/jobs"
    spec = side.pod("x")["spec"] | {"restartPolicy": "Never"}
    job = {
        "metadata": {"name": "job"},
        "spec": {"ttlSecondsAfterFinished": 30, "backoffLimit": 0, "template": {"spec": spec}},
    }

    async def scenario() -> None:
        made = await side.admin.ask("POST", path, job)
        assert made.code == 201
        uid = made.json["metadata"]["uid"]
        assert made.json["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "job"
        pods: list[Any] = []
        while not pods:
            pods = (await side.admin.get(f"{side.pods()}?labelSelector=job-name%3Djob")).json["items"]
            await asyncio.sleep(0.1)
        owner = pods[0]["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", uid, True)
        assert pods[0]["metadata"]["generateName"] == "job-"
        gone = await side.admin.ask("DELETE", f"{path}/job?propagationPolicy=Background")
        assert gone.json["details"] == {"name": "job", "group": "batch", "kind": "jobs", "uid": uid}
        assert gone.json["status"] == "Success"
        assert await _is_gone(side, f"{side.pods()}/{pods[0]['metadata']['name']}")

    asyncio.run(asyncio.wait_for(scenario(), 60))
