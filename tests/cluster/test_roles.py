"""Each Role of docs/roles is enough to capture packets, and with any single verb less the missing right is named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from k8s_extcap.setup import roles
from testbed.cluster.handle import Cluster
from tests.cluster.drive import parse
from tests.cluster.roles import LIFE, Cell, cells, kubeconfig, objects

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]  # a test may wait for all others' captures

CLI = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"
PACKETS = 3
ALL = tuple(cells())
AT_ONCE = 3  # captures: two processors, and most of a capture is waiting

# Which pod. An ephemeral container of ours that still runs needs no right to add another: so that one gets its own.
PODS = {"resident": "sender", "copy-service-labels": "served", "ephemeral": "beside"}


class Outcome(NamedTuple):
    code: int
    packets: int
    said: str


class Place(NamedTuple):
    """Namespaces of the pods and of helpers, and where kubeconfigs and files go."""

    cluster: Cluster
    target: str
    helper: str
    node: str
    folder: Path


def pod(name: str, image: str, **labels: str) -> dict[str, Any]:
    traffic = {"name": "app", "image": image, "command": ["/bin/traffic", "10.96.0.1", "443", "20"]}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [traffic]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    cluster.need_bed("images of its own and right to bind Roles")
    target, helper = cluster.new_namespace("roles"), cluster.new_namespace("roles-helper")
    try:
        made = [
            pod("sender", cluster.image("tcpdump")),
            pod("plain", cluster.image("traffic")),
            pod("beside", cluster.image("traffic")),
            pod("served", cluster.image("traffic"), app="served"),
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "served"},
             "spec": {"selector": {"app": "served"}, "ports": [{"port": 80}]}},
        ]  # fmt: skip
        cluster.kubectl(
            "apply", "-n", target, "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": made})
        )
        rights = [o for cell in ALL for o in objects(cell, target, helper)]
        cluster.kubectl("create", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": rights}))
        for name in ("sender", "plain", "beside", "served"):
            cluster.wait_ready(name, target)
        node = cluster.pod("plain", target).node
        yield Place(cluster, target, helper, node, tmp_path_factory.mktemp("roles"))
    finally:
        kinds = "clusterrole,clusterrolebinding"
        cluster.kubectl("delete", kinds, "-l", f"testbed/roles={target}", check=False)
        cluster.delete_namespace(target)
        cluster.delete_namespace(helper)


@pytest.fixture(scope="module")
def outcomes(place: Place, request: pytest.FixtureRequest) -> Iterator[dict[Cell, Future[Outcome]]]:
    """Of the cells that are to be tested, some at the same time."""
    items: list[Any] = request.session.items
    wanted = [item.callspec.params["cell"] for item in items if item.path == request.node.path]
    os.environ["K8S_EXTCAP_HOME"] = str(place.folder / "admin")
    api = open_session(Connection(kubeconfig=str(place.cluster.admin))).api
    del os.environ["K8S_EXTCAP_HOME"]

    def outcome(cell: Cell) -> Outcome:
        path = f"/api/v1/namespaces/{place.target}/serviceaccounts/{cell.name}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": LIFE}}
        token = json.loads(api.create(path, asked))["status"]["token"]
        return run(place, cell, kubeconfig(place.cluster, place.folder, cell.name, place.target, token))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {cell: pool.submit(outcome, cell) for cell in wanted}
        pool.shutdown(cancel_futures=True)


def arguments(place: Place, cell: Cell, file: Path) -> list[str]:
    method = cell.method
    if method == "listing":
        return ["list"]
    plain = method == "ephemeral" and cell.without
    target = f"{place.target}/{'plain' if plain else PODS.get(method, 'plain')}"
    target = f"node/{place.node}" if method == "node" else target
    words = ["capture", target, "-w", str(file), "--output", "pcap", "--limit-packets", str(PACKETS)]
    words += ["--limit-time", "60s"]
    words += ["--helper-image", place.cluster.image("helper")] if method.startswith("n") else []
    words += ["--helper-namespace", place.helper] if method in ("node", "nsenter-elsewhere") else []
    words += ["--nic", "any"] if method == "node" else []  # which has the capture's own stream, if nothing else
    words += ["--service-labels"] if method == "copy-service-labels" else []
    return [*words, "--method", "nsenter" if method == "node" else method.partition("-")[0]]


def run(place: Place, cell: Cell, config: Path) -> Outcome:
    file = place.folder / f"{cell.name}.pcap"
    done = subprocess.run(
        [sys.executable, "-c", CLI, *arguments(place, cell, file)],
        env={"PATH": os.environ["PATH"], "HOME": str(place.folder), "KUBECONFIG": str(config),
             "K8S_EXTCAP_HOME": str(place.folder / cell.name), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    packets = len(parse(file.read_bytes())) if file.exists() else done.stdout.count("k8s-pod-")
    return Outcome(done.returncode, packets, " ".join((done.stdout + done.stderr).split()))


def names(said: str, right: roles.Right) -> bool:
    """Whether this verb on this resource is named: in the API server's words, or in ours."""
    resource = f"{right.resource}/{right.sub}" if right.sub else right.resource
    own = f"{right.resource}.{right.group}" if right.group else resource
    return bool(
        re.search(rf'cannot {right.verb} resource "{re.escape(resource)}"', said)
        or re.search(rf"may not [^;:]*\b{right.verb} {re.escape(own)}\b", said)
        or f"the verb {right.verb} on {resource} is missing" in said
    )


@pytest.mark.parametrize("cell", ALL, ids=[cell.name for cell in ALL])
def test_a_role_is_enough_and_no_verb_too_many(outcomes: dict[Cell, Future[Outcome]], cell: Cell) -> None:
    outcome = outcomes[cell].result()
    if cell.without is None:
        assert outcome.code == 0, outcome.said
        assert outcome.packets >= PACKETS, outcome.said
        return
    assert outcome.code != 0, outcome.said
    assert names(outcome.said, cell.without), outcome.said
