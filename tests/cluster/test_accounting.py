"""Every packet is in the file or reported as dropped: by every method, under a rate that hurts, behind a pause."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster.handle import Cluster, PodInfo
from testbed.matrix.product import environment
from testbed.matrix.taking import PORT, Stage, Taking, between, taking
from testbed.truth import whole
from testbed.truth.account import Account, account

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

NODES = ("n1", "n2")
PAIRS = [("n1", "upload"), ("n2", "resident")]  # what takes longer: either tcpdump, either runtime
SETTLE = 1.0  # seconds from the last packet to the stop, as the promise has it


@pytest.fixture(scope="module")
def idle(cluster: Cluster) -> Iterator[dict[str, PodInfo]]:
    """A silent pod with tcpdump on each node, for these tests alone: an entry of an ephemeral container stays."""
    cluster.need_bed("nodes to send packets from")
    namespace = cluster.new_namespace("accounting")
    try:
        for node in NODES:
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(_pod(cluster, namespace, node)))
        yield {node: cluster.wait_ready(f"idle-{node}", namespace) for node in NODES}
    finally:
        cluster.delete_namespace(namespace)


def _pod(cluster: Cluster, namespace: str, node: str) -> dict[str, object]:
    container = {"name": "app", "image": cluster.image("tcpdump"), "command": ["/bin/sleep", "1000000"]}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"idle-{node}", "namespace": namespace},
        "spec": spec,
    }


@pytest.fixture(params=NODES)
def place(request: pytest.FixtureRequest, cluster: Cluster, idle: dict[str, PodInfo]) -> Stage:
    other = next(node for node in NODES if node != request.param)
    return between(cluster, idle[request.param], idle[other])


def words(place: Stage, method: str, *options: str) -> list[str]:
    helper = ["--helper-image", place.cluster.image("helper"), "--helper-namespace", place.pod.namespace]
    start = [sys.executable, "-m", "k8s_extcap", "capture", place.target, "--method", method, *helper]
    return [*start, "-f", f"udp port {PORT}", *options, "-w", "-"]


def ended(capture: Taking, sent: dict[int, int], folder: Path) -> tuple[Account, str]:
    time.sleep(SETTLE)
    code, said = capture.end(), capture.said()
    assert code == 0, said
    file = folder / "capture.pcapng"
    file.write_bytes(b"".join(chunk.data for chunk in capture.chunks))
    assert whole.fault(file) == ""
    return account(capture.chunks, sent, said), said


@pytest.mark.parametrize("method", ["resident", "upload", "nsenter", "ephemeral"])
def test_every_packet_is_in_the_file_or_reported(place: Stage, method: str, tmp_path: Path) -> None:
    with taking(words(place, method), tmp_path, environment(tmp_path, place.cluster.kubeconfig)) as capture:
        capture.wait()
        place.warm()
        sent = place.send("udp", 5000, 10_000).sent
        made, _ = ended(capture, {1: sent}, tmp_path)
    assert made.faults == []
    assert made.gaps == ()


@pytest.mark.parametrize(("place", "method"), PAIRS, indirect=["place"])
def test_what_the_rate_ceiling_costs_is_counted_and_said_once(place: Stage, method: str, tmp_path: Path) -> None:
    """Thirty megabytes a second against a ceiling of one, and a ring that holds a moment of it."""
    options = ("--limit-rate", "1 MB", "--buffer", "1 MiB")
    with taking(words(place, method, *options), tmp_path, environment(tmp_path, place.cluster.kubeconfig)) as capture:
        capture.wait()
        place.warm()
        sent = place.send("udp", 20_000, 60_000, size=1400).sent
        made, said = ended(capture, {1: sent}, tmp_path)
    assert made.faults == []
    assert made.dropped > 0
    assert said.count("missing in the capture") == 1
    assert said.count("--limit-rate") == 1


@pytest.mark.parametrize(("place", "method"), PAIRS, indirect=["place"])
def test_a_reader_that_stands_still_costs_what_is_told_and_the_capture_goes_on(
    place: Stage, method: str, tmp_path: Path
) -> None:
    # (The matrix lets it stand for two minutes, beyond the guard's lease: python -m testbed.matrix run long.)
    options = ("--limit-rate", "none", "--buffer", "1 MiB")
    with taking(words(place, method, *options), tmp_path, environment(tmp_path, place.cluster.kubeconfig)) as capture:
        capture.wait()
        place.warm()
        capture.reading.clear()
        during = place.send("udp", 10_000, 60_000, size=1400, number=1).sent
        capture.reading.set()
        time.sleep(2)
        after = place.send("udp", 1000, 1000, number=2).sent
        made, said = ended(capture, {1: during, 2: after}, tmp_path)
    assert made.faults == []
    assert made.gaps == ()
    assert made.dropped > 0
    assert made.report.flows[2].missing == 0
    assert said.count("missing in the capture") == 1
