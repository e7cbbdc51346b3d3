"""Many more pods and namespaces for tests of listing: objects only, made from one template."""

from __future__ import annotations

import secrets

from testbed.demo import defaults
from testbed.demo.kubelet import running_status
from testbed.demo.resources import NAMESPACES, PODS
from testbed.demo.store import Object, Store, now
from testbed.demo.world import NODE_1, NODE_2, SHELL, container, namespace


def add(store: Store, pods: int, namespaces: int) -> None:
    """Fill up to `namespaces` namespaces `team-NNN` and spread `pods` over them."""
    names = [f"team-{number:03}" for number in range(namespaces)] or (["default"] if pods else [])
    for name in names if namespaces else ():
        store.load(NAMESPACES, namespace(name, {}))
    specs = [
        defaults.complete_pod({"containers": [container("main", SHELL, "idle")]}) | {"nodeName": node}
        for node in (NODE_1, NODE_2)
    ]
    for number in range(pods):
        store.load(PODS, _pod(names[number % len(names)], number, specs[number % 2]))


def _pod(where: str, number: int, spec: Object) -> Object:
    name = f"app-{number % 20}-{number:05}"
    address = f"10.{100 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    status = {
        "phase": "Running",
        "conditions": defaults.conditions(True, now()),
        "hostIP": "10.88.0.1",
        "hostIPs": [{"ip": "10.88.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now(),
        "containerStatuses": [running_status(spec["containers"][0], secrets.token_hex(32))],
        "qosClass": "BestEffort",
    }
    meta = {"name": name, "namespace": where, "generation": 1, "labels": {"app": f"app-{number % 20}"}}
    return {"metadata": meta, "spec": spec, "status": status}
