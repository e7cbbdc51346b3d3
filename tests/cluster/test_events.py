"""How a capture is told and found afterwards: Events on the pod, and one User-Agent in the audit log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from k8s_extcap.version import VERSION
from testbed.cluster import audit
from testbed.cluster.bed import default_bed
from testbed.cluster.handle import Cluster
from tests.cluster.drive import parse

pytestmark = pytest.mark.cluster

CLI = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"
AGENT = re.compile(rf"k8s-extcap/{re.escape(VERSION)} \(capture ([0-9a-f]{{10}})\)")
PACKETS = 3


class Place(NamedTuple):
    cluster: Cluster
    namespace: str
    folder: Path

    def capture(self, method: str, *more: str) -> None:
        file = self.folder / f"{method}.pcap"
        done = subprocess.run(
            [sys.executable, "-c", CLI, "capture", f"{self.namespace}/pod", "-w", str(file), "--output", "pcap",
             "--method", method, "--limit-packets", str(PACKETS), "--helper-image", self.cluster.image("helper"),
             *more],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(self.cluster.admin),
                 "K8S_EXTCAP_HOME": str(self.folder / "own"), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(parse(file.read_bytes())) >= PACKETS
        file.unlink()

    def events(self) -> list[dict[str, Any]]:
        found = self.cluster.get("events", "-n", self.namespace)["items"]
        return [event for event in found if event["source"].get("component") == "k8s-extcap"]


@pytest.fixture(scope="module")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    namespace = cluster.new_namespace("events")
    traffic = {"name": "app", "image": cluster.image("tcpdump"), "command": ["/bin/traffic", "10.96.0.1", "443", "20"]}
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [traffic]},
    }  # fmt: skip
    try:
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
        cluster.wait_ready("pod", namespace)
        yield Place(cluster, namespace, tmp_path_factory.mktemp("events"))
    finally:
        cluster.delete_namespace(namespace)


@pytest.mark.parametrize("method", ["upload", "ephemeral", "nsenter", "copy"])
def test_what_writes_says_so_at_its_start_and_its_end(place: Place, method: str) -> None:
    before = {event["metadata"]["name"] for event in place.events()}
    place.capture(method)
    new = [event for event in place.events() if event["metadata"]["name"] not in before]
    uid = place.cluster.pod("pod", place.namespace).uid
    assert {event["involvedObject"]["uid"] for event in new} == {uid}
    told = {event["reason"]: event["message"] for event in new}
    assert set(told) == {"CaptureStarted", "CaptureEnded"}
    assert f"method {method} begins; " in told["CaptureStarted"]
    assert re.search(r"has ended after \d+ packets", told["CaptureEnded"])
    (capture,) = {message.split()[2] for message in told.values()}
    assert re.fullmatch("[0-9a-f]{10}", capture)
    shown = place.cluster.kubectl("describe", "pod", "pod", "-n", place.namespace)
    assert "CaptureStarted" in shown
    assert capture in shown


@pytest.mark.parametrize(("method", "more"), [("resident", ()), ("upload", ("--no-events",))])
def test_what_writes_nothing_or_was_told_to_be_silent_makes_none(
    place: Place, method: str, more: tuple[str, ...]
) -> None:
    before = len(place.events())
    place.capture(method, *more)
    assert len(place.events()) == before


def test_every_request_in_the_audit_log_bears_the_captures_number(place: Place) -> None:
    """That of the stream too, a WebSocket by another library; and nobody's token stands in an exec's command line."""
    log = audit.log(default_bed())
    if place.cluster.given or not log.exists():
        pytest.skip("the API server was started without an audit log: 'down', then 'up', begins one")
    at = log.stat().st_size
    place.capture("upload")
    with log.open() as file:
        file.seek(at)
        lines = [json.loads(line) for line in file]
    ours = [line for line in lines if line.get("userAgent", "").startswith("k8s-extcap/")
            and f"/namespaces/{place.namespace}/" in line["requestURI"]]  # fmt: skip
    numbers = {AGENT.fullmatch(line["userAgent"]) for line in ours}
    assert None not in numbers
    assert len({number[1] for number in numbers if number}) == 1
    kinds = {(line["verb"], line["objectRef"].get("subresource", "")) for line in ours}
    assert ("get", "exec") in kinds, "the probe and the stream itself"
    assert ("create", "") in kinds, "the Events"
    assert [line for line in lines if line.get("objectRef", {}).get("namespace") == place.namespace
            and line["objectRef"].get("subresource") == "exec" and line not in ours] == []  # fmt: skip
