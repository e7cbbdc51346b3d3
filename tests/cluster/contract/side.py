"""The two sides of the contract: the demo cluster and a real one, with the same pods made on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cluster.handle import Cluster
from testbed.demo import DemoCluster
from testbed.demo.rawclient import MERGE, Answer, Client

# Seconds for a pod on a loaded machine.
START = 60.0


@dataclass(frozen=True)
class Side:
    """One cluster with users and pods.

    `dev` may read pods and exec in the namespace `home` only; `nocreate` may `get` pods/exec of `nocreate_pod` and not
    `create` it. In `namespace`: `older` and `newer` run on nodes with containerd 1.x and 2.x, `two` has two containers,
    `pending` finds no node and `broken` no image.
    """

    name: str
    admin: Client
    dev: Client
    home: str
    nocreate: Client
    nocreate_pod: tuple[str, str]
    kubeconfig: Path
    namespace: str
    image: str
    older: str
    newer: str
    two: str = "two"
    pending: str = "pending"
    broken: str = "broken"

    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def pod(self, name: str, **container: Any) -> dict[str, Any]:
        """A manifest: one container `main` that sleeps."""
        main = {"name": "main", "image": self.image, "command": ["sleep", "10000"], **container}
        spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _on(pod: dict[str, Any], node: str) -> dict[str, Any]:
    return {**pod, "spec": {**pod["spec"], "nodeSelector": {"kubernetes.io/hostname": node}}}


async def _prepare(side: Side, older_node: str, newer_node: str) -> None:
    two = side.pod(side.two)
    two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "second"})
    made = [
        _on(side.pod(side.older), older_node),
        _on(side.pod(side.newer), newer_node),
        _on(two, older_node),
        _on(side.pod(side.pending), "no-such-node"),
        _on(side.pod(side.broken, image="registry.invalid/none:1"), older_node),
    ]
    for pod in made:
        answer = await side.admin.ask("POST", side.pods(), pod)
        assert answer.code == 201, answer.text
    for name in (side.older, side.newer, side.two):
        await until_running(side, name)
    await _until(side, side.broken, "containerStatuses", _knows_why_it_waits)


async def until_running(side: Side, name: str, field: str = "containerStatuses") -> dict[str, Any]:
    """The pod, once all containers of this status list run."""
    return await _until(side, name, field, lambda status: list(status["state"]) == ["running"])


def _knows_why_it_waits(status: dict[str, Any]) -> bool:
    return bool(status["state"]["waiting"]["reason"] != "ContainerCreating")


async def _until(side: Side, name: str, field: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = asyncio.get_running_loop().time() + START
    while asyncio.get_running_loop().time() < end:
        pod: dict[str, Any] = (await side.admin.get(f"{side.pods()}/{name}")).json
        statuses = pod["status"].get(field, [])
        if statuses and all(wanted(status) for status in statuses):
            return pod
        await asyncio.sleep(0.1)
    raise AssertionError(f"pod {name} of the {side.name} cluster is not as wanted within {START:.0f} s: {statuses}")


def of_demo(demo: DemoCluster) -> Iterator[Side]:
    config = demo.kubeconfig
    side = Side(
        name="demo",
        admin=Client(config),
        dev=Client(config, "demo-dev"),
        home="dev",
        nocreate=Client(config, "demo-nocreate"),
        nocreate_pod=("shop", "db-0"),
        kubeconfig=config,
        namespace="contract",
        image="localhost/demo/busybox:1",
        older="older",
        newer="newer",
    )
    asyncio.run(side.admin.ask("POST", "/api/v1/namespaces", {"metadata": {"name": side.namespace}}))
    asyncio.run(_prepare(side, "demo-1", "demo-2"))
    yield side


def of_real(cluster: Cluster) -> Iterator[Side]:
    cluster.need_bed("two nodes with both containerds, and users of the bed")
    namespace = cluster.new_namespace("contract")
    try:
        side = Side(
            name="real",
            admin=Client(cluster.admin),
            dev=Client(cluster.dev),
            home="team",
            nocreate=Client(cluster.admin, token=_make_nocreate(cluster, namespace)),
            nocreate_pod=(namespace, "older"),
            kubeconfig=cluster.admin,
            namespace=namespace,
            image=cluster.image("busybox"),
            older="older",
            newer="newer",
        )
        asyncio.run(_prepare(side, "n1", "n2"))
        yield side
    finally:
        cluster.delete_namespace(namespace)


def _make_nocreate(cluster: Cluster, namespace: str) -> str:
    """A service account with `get` on pods/exec and no `create`; its token."""
    cluster.kubectl("create", "-n", namespace, "serviceaccount", "nocreate")
    cluster.kubectl("create", "-n", namespace, "role", "nocreate", "--verb=get", "--resource=pods,pods/exec")
    account = f"{namespace}:nocreate"
    cluster.kubectl(
        "create", "-n", namespace, "rolebinding", "nocreate", "--role=nocreate", f"--serviceaccount={account}"
    )
    return cluster.kubectl("create", "-n", namespace, "token", "nocreate").strip()


def create(side: Side, body: dict[str, Any], query: str = "") -> Answer:
    return asyncio.run(side.admin.ask("POST", f"{side.pods()}{query}", body))


def patch(side: Side, pod: str, *containers: dict[str, Any], query: str = "", **metadata: str) -> Answer:
    body: dict[str, Any] = {"spec": {"ephemeralContainers": list(containers)}}
    if metadata:
        body["metadata"] = metadata
    return asyncio.run(side.admin.ask("PATCH", f"{side.pods()}/{pod}/ephemeralcontainers{query}", body, MERGE))


def helper(side: Side, **more: Any) -> dict[str, Any]:
    return {"name": "helper", "image": side.image, "command": ["sleep", "1000"], **more}
