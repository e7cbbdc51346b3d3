"""Pods of the demo cluster from inside: run something, put a program there. Shares no code with the product."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from testbed.demo.cluster import DemoCluster
from testbed.demo.rawclient import Client, exec_path


class Place(NamedTuple):
    """A container."""

    namespace: str = "lab"
    pod: str = "sender"
    container: str = ""

    @property
    def interface(self) -> str:
        return f"k8s-pod-{self.namespace}.{self.pod}"


SENDER = Place()


def run(own: DemoCluster, *argv: str, place: Place = SENDER) -> bytes:
    """What this command prints on its standard output."""
    path = exec_path(place.namespace, place.pod, argv, place.container)
    return asyncio.run(Client(own.kubeconfig).run(path)).output()


def shell(own: DemoCluster, script: str, *words: str, place: Place = SENDER) -> bytes:
    return run(own, "/bin/sh", "-c", script, "x", *words, place=place)


def put(own: DemoCluster, file: str, text: str, place: Place = SENDER) -> str:
    """An executable file of this text."""
    shell(own, 'printf "%s" "$2" >"$1" && /bin/chmod 755 "$1"', file, text, place=place)
    return file


def plant(own: DemoCluster, name: str, body: str, place: Place = SENDER) -> str:
    """A stand-in for tcpdump: it answers the look as one does, and runs `body` as a capture. Its path."""
    text = (
        "#!/bin/sh\n"
        'case " $* " in *" --version "*) echo "tcpdump version 4.9.3"; exit 0 ;;\n'
        '*" k8sx-none "*) echo "tcpdump: k8sx-none: No such device exists" >&2; exit 1 ;; esac\n' + body + "\n"
    )
    return put(own, name if name.startswith("/") else f"/tmp/{name}", text, place)


async def make(
    client: Client, name: str, container: str = "main", image: str = "tcpdump", env: Mapping[str, str] | None = None
) -> Place:
    """A pod in `lab` that sleeps; it runs when this returns."""
    variables = [{"name": key, "value": value} for key, value in (env or {}).items()]
    command = ["/bin/sleep", "10000"]
    main = {"name": container, "image": f"localhost/demo/{image}:1", "command": command, "env": variables}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [main]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    answer = await client.ask("POST", "/api/v1/namespaces/lab/pods", body)
    assert answer.code == 201, answer.text
    while (await client.get(f"/api/v1/namespaces/lab/pods/{name}")).json["status"]["phase"] != "Running":
        await asyncio.sleep(0.1)
    return Place("lab", name, container)


async def delete(client: Client, name: str) -> None:
    path = f"/api/v1/namespaces/lab/pods/{name}"
    await client.ask("DELETE", f"{path}?gracePeriodSeconds=0")
    while (await client.get(path)).code != 404:
        await asyncio.sleep(0.1)
