"""Lists, pages, watches and scale of the demo cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.demo import DemoCluster
from testbed.demo.rawclient import Client

pytestmark = [pytest.mark.demo, pytest.mark.slow]

PODS, NAMESPACES = "/api/v1/pods", "/api/v1/namespaces"


@pytest.fixture(scope="module")
def large() -> Iterator[DemoCluster]:
    with DemoCluster.start(scale="10000x500") as cluster:
        yield cluster


async def _pages(client: Client, path: str, limit: int) -> list[list[dict[str, Any]]]:
    pages, token = [], ""
    while True:
        body = (await client.get(f"{path}?limit={limit}&continue={token}")).json
        pages.append(body["items"])
        token = body["metadata"].get("continue", "")
        if not token:
            return pages
        left = body["metadata"]["remainingItemCount"]
        assert left > 0


def test_ten_thousand_pods_in_five_hundred_namespaces(large: DemoCluster) -> None:
    client = Client(large.kubeconfig)
    pages = asyncio.run(_pages(client, PODS, 500))
    pods = [pod for page in pages for pod in page]
    scaled = [pod for pod in pods if pod["metadata"]["namespace"].startswith("team-")]
    assert len(scaled) == 10_000
    assert {len(page) for page in pages[:-1]} == {500}
    keys = [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods]
    assert keys == sorted(keys)
    assert len({pod["metadata"]["uid"] for pod in pods}) == len(pods)
    assert all(pod["status"]["podIP"] for pod in scaled)
    names = [item["metadata"]["name"] for item in asyncio.run(client.get(NAMESPACES)).json["items"]]
    assert len([name for name in names if name.startswith("team-")]) == 500


def test_an_old_continue_token_is_refused(large: DemoCluster) -> None:
    client = Client(large.kubeconfig)
    token = asyncio.run(client.get(f"{PODS}?limit=10")).json["metadata"]["continue"]
    large.forget()
    answer = asyncio.run(client.get(f"{PODS}?limit=10&continue={token}"))
    assert (answer.code, answer.json["reason"]) == (410, "Expired")


def test_an_old_watch_gets_its_410_as_an_event(large: DemoCluster) -> None:
    client = Client(large.kubeconfig)
    version = asyncio.run(client.get(f"{PODS}?limit=1")).json["metadata"]["resourceVersion"]
    large.forget()
    events = asyncio.run(client.lines(f"{PODS}?watch=1&resourceVersion={version}", 5))
    assert [event["type"] for event in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


def test_a_watch_tells_every_change_and_sends_bookmarks(demo_factory: Any) -> None:
    with demo_factory() as cluster:
        client = Client(cluster.kubeconfig)

        async def scenario() -> list[Any]:
            path = "/api/v1/namespaces/lab/configmaps"
            version = (await client.get(path)).json["metadata"]["resourceVersion"]
            watching = asyncio.ensure_future(
                client.lines(f"{path}?watch=1&allowWatchBookmarks=true&resourceVersion={version}", until="BOOKMARK")
            )
            for name in ("one", "two"):
                await client.ask("POST", path, {"metadata": {"name": name}, "data": {"a": "b"}})
            await client.ask("PATCH", f"{path}/one", {"data": {"a": "c"}}, "application/merge-patch+json")
            await client.ask("DELETE", f"{path}/two")
            return await watching

        events = asyncio.run(scenario())
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    changes = [event for event in events if event["type"] != "BOOKMARK"]
    assert [event["type"] for event in changes] == ["ADDED", "ADDED", "MODIFIED", "DELETED"]
    assert changes[2]["object"]["data"] == {"a": "c"}
    assert events[-1]["object"]["kind"] == "ConfigMap"


def test_a_pod_of_a_job_runs_ends_and_goes(demo_factory: Any) -> None:
    """Deadlines aside this is what a helper Job goes through: created, run, done, deleted by its time to live."""
    job = {
        "metadata": {"name": "helper"},
        "spec": {
            "ttlSecondsAfterFinished": 0,
            "backoffLimit": 0,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "m", "image": "localhost/demo/busybox:1", "command": ["sleep", "0.3"]}],
                }
            },
        },
    }
    with demo_factory() as cluster:
        client = Client(cluster.kubeconfig)

        async def scenario() -> list[str]:
            path = "/apis/batch/v1/namespaces/lab/jobs"
            made = (await client.ask("POST", path, job)).json
            query = f"watch=1&labelSelector=job-name%3Dhelper&resourceVersion={made['metadata']['resourceVersion']}"
            phases: list[str] = []
            async with client.session() as session, session.get(f"/api/v1/namespaces/lab/pods?{query}") as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    phases.append(event["object"]["status"]["phase"])
                    if event["type"] == "DELETED":
                        break
            assert (await client.get(f"{path}/helper")).code == 404
            return phases

        phases = asyncio.run(asyncio.wait_for(scenario(), 20))
    assert list(dict.fromkeys(phases)) == ["Pending", "Running", "Succeeded"]
