"""A listed name means the cluster it was listed from, whatever the current context is by now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.demo.rawclient import Client
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Lane

pytestmark = pytest.mark.demo

POD = "k8s-pod-lab.only-first"


class Two(NamedTuple):
    first: DemoCluster
    second: DemoCluster

    def tree(self, current: str = "first") -> dict[str, Any]:
        """A kubeconfig of both."""
        parts = [(name, json.loads(demo.kubeconfig.read_text())) for name, demo in zip(self._fields, self, strict=True)]
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": part["clusters"][0]["cluster"]} for name, part in parts],
            "users": [{"name": name, "user": part["users"][0]["user"]} for name, part in parts],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": name, "namespace": "lab"}} for name, _ in parts
            ],
            "current-context": current,
        }


@pytest.fixture(scope="module")
def two(demo_factory: Callable[..., AbstractContextManager[DemoCluster]]) -> Iterator[Two]:
    with demo_factory() as first, demo_factory() as second:
        asyncio.run(_make(first, "only-first"))
        asyncio.run(_make(second, "only-second"))
        yield Two(first, second)


async def _make(demo: DemoCluster, name: str) -> None:
    main = {"name": "main", "image": "localhost/demo/tcpdump:1", "command": ["sleep", "10000"]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [main]}}
    client = Client(demo.kubeconfig)
    answer = await client.ask("POST", "/api/v1/namespaces/lab/pods", body)
    assert answer.code == 201, answer.text
    while (await client.get(f"/api/v1/namespaces/lab/pods/{name}")).json["status"]["phase"] != "Running":
        await asyncio.sleep(0.1)


@pytest.fixture
def lane(two: Two, tmp_path: Path) -> Lane:
    """The first cluster has been listed."""
    made = Lane(tmp_path / "own", tmp_path / "kubeconfig")
    Path(made.kubeconfig).write_text(json.dumps(two.tree()))
    made.home.mkdir(mode=0o700)
    made.refresh()
    assert any(POD in file.read_text() for file in made.home.glob("cache/catalog/*/origins"))
    return made


def finished(lane: Lane, interface: str) -> tuple[int, bytes]:
    return lane.finish(lane.start(interface, "--limit-time", "1"))


def test_it_is_captured_where_it_was_listed(lane: Lane, two: Two) -> None:
    Path(lane.kubeconfig).write_text(json.dumps(two.tree(current="second")))
    assert finished(lane, POD) == (0, b"")


def test_a_name_that_was_never_listed_means_the_current_context(lane: Lane, two: Two) -> None:
    Path(lane.kubeconfig).write_text(json.dumps(two.tree(current="second")))
    assert finished(lane, "k8s-pod-lab.only-second") == (0, b"")


def test_the_context_leads_to_another_server(lane: Lane, two: Two) -> None:
    """Nothing is sent to the other cluster: not even whether it has such a pod."""
    tree = two.tree()
    tree["clusters"][0] = {**tree["clusters"][1], "name": "first"}
    tree["users"][0] = {**tree["users"][1], "name": "first"}
    Path(lane.kubeconfig).write_text(json.dumps(tree))
    shown = lane.show(POD, "--log-level", "debug")
    assert two.first.url in shown.sentence
    assert two.second.url in shown.sentence
    assert "GET" not in lane.log()
    names = {two.first.url: "https://FIRST", two.second.url: "https://SECOND"}
    check("listed-elsewhere", shown, "The interface was listed from another cluster.", "Refresh the list.", names)


def test_the_server_has_another_authority(lane: Lane, two: Two) -> None:
    tree = two.tree()
    cluster, other = tree["clusters"][0]["cluster"], tree["clusters"][1]["cluster"]
    cluster["certificate-authority-data"] = other["certificate-authority-data"]
    Path(lane.kubeconfig).write_text(json.dumps(tree))
    check("listed-other-authority", lane.show(POD), "Its address is that of another cluster now.", "Refresh the list.")


def test_the_context_is_gone(lane: Lane, two: Two) -> None:
    tree = two.tree(current="second")
    del tree["contexts"][0]
    Path(lane.kubeconfig).write_text(json.dumps(tree))
    check("listed-context-gone", lane.show(POD), "The context it was listed from is gone.", "Refresh the list.",
          {str(lane.kubeconfig): "HOME/.kube/config"})  # fmt: skip
