"""A helper pod on a demo node: it sees the node's processes, finds a pod's by its ids, and enters its network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from testbed.demo import DemoCluster
from testbed.demo.rawclient import STDERR, Client, exec_path

pytestmark = pytest.mark.demo

CAPABILITIES = ["SYS_ADMIN", "SYS_PTRACE", "NET_RAW", "SETUID", "SETGID"]
FIND = 'for d in /proc/[0-9]*; do if grep -q "$1" "$d/mountinfo" 2>/dev/null; then echo "${d#/proc/}"; break; fi; done'


def _helper(*, host_pid: bool) -> dict[str, Any]:
    context = {"capabilities": {"drop": ["ALL"], "add": CAPABILITIES}}
    main = {
        "name": "main",
        "image": "localhost/demo/helper:1",
        "command": ["sleep", "1000"],
        "securityContext": context,
    }
    spec = {"hostPID": host_pid, "terminationGracePeriodSeconds": 0, "containers": [main]}
    return {"metadata": {"name": f"helper-{host_pid}".lower()}, "spec": spec}


async def _start(client: Client, *, host_pid: bool) -> str:
    pod = _helper(host_pid=host_pid)
    name = str(pod["metadata"]["name"])
    assert (await client.ask("POST", "/api/v1/namespaces/lab/pods", pod)).code == 201
    while (await client.get(f"/api/v1/namespaces/lab/pods/{name}")).json["status"]["phase"] != "Running":
        await asyncio.sleep(0.05)
    return name


async def _shell(client: Client, name: str, *argv: str) -> tuple[str, str]:
    got = await client.run(exec_path("lab", name, argv))
    return got.output().decode(errors="replace"), got.output(STDERR).decode()


@pytest.mark.parametrize("by", ["container", "pod"])
def test_it_finds_a_pod_and_captures_in_its_network(demo: DemoCluster, by: str) -> None:
    async def scenario() -> tuple[str, str]:
        client = Client(demo.kubeconfig)
        name = await _start(client, host_pid=True)
        try:
            db = (await client.get("/api/v1/namespaces/shop/pods/db-0")).json
            runtime_id = db["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
            wanted = runtime_id if by == "container" else db["metadata"]["uid"]
            pid = (await _shell(client, name, "sh", "-c", FIND, "find", wanted))[0].strip()
            assert pid.isdecimal()
            address, _ = await _shell(
                client, name, "nsenter", "-t", pid, "-n", "ip", "-o", "-4", "addr", "show", "eth0"
            )
            return address, db["status"]["podIP"]
        finally:
            await client.ask("DELETE", f"/api/v1/namespaces/lab/pods/{name}", {"gracePeriodSeconds": 0})

    address, expected = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert f" {expected}/" in address


def test_without_the_nodes_processes_it_finds_nothing(demo: DemoCluster) -> None:
    async def scenario() -> str:
        client = Client(demo.kubeconfig)
        name = await _start(client, host_pid=False)
        try:
            uid = (await client.get("/api/v1/namespaces/shop/pods/db-0")).json["metadata"]["uid"]
            return (await _shell(client, name, "sh", "-c", FIND, "find", uid))[0]
        finally:
            await client.ask("DELETE", f"/api/v1/namespaces/lab/pods/{name}", {"gracePeriodSeconds": 0})

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == ""
