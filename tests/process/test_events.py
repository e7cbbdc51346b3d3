"""An Event that cannot be made costs a capture nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_extcap.methods import notice
from k8s_extcap.model.objects import Meta, Pod
from k8s_extcap.model.plan import Plan, Step, Target
from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind

pytestmark = pytest.mark.slow

CLI = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"


def capture(demo: DemoCluster, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLI, "capture", "lab/sender", "-w", str(folder / "x.pcapng"), "--method", "upload",
         "--limit-packets", "3"],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(demo.kubeconfig), "K8S_EXTCAP_HOME": str(folder),
             "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("payload")
@pytest.mark.demo
@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", [Kind.NO_FIRST_BYTE, Kind.REFUSE, Kind.UNAUTHORIZED])
def test_the_packets_come_and_nobody_is_told_of_it(demo: DemoCluster, tmp_path: Path, kind: Kind) -> None:
    """Above all an answer that never comes: neither the first packet nor the end wait for it."""
    with demo.fault(Fault(kind, path="/events", method="POST")) as fault:
        done = capture(demo, tmp_path)
        assert demo.fault_hits()[fault] >= 1
    assert done.returncode == 0, done.stderr
    assert "3 packets" in done.stderr
    assert "vent" not in done.stderr


# What stands in it


def plan(namespace: str = "shop", leaves: str = "nothing") -> Plan:
    pod = Pod(metadata=Meta(name="web", namespace=namespace, uid="u1"))
    target = Target("c", namespace, pod) if namespace else Target("c", "", Pod(), node="n1", is_node=True)
    return Plan("copy", target, (Step("create", "/x", "a thing"),), (), "why", leaves)


def test_it_is_about_the_very_pod() -> None:
    body = notice.body(plan(), "0123456789", "began", "told.", at="2026-01-01T00:00:00Z", by="me@here")
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web", "uid": "u1"}
    assert body["involvedObject"] == about
    assert body["message"] == "Packet capture 0123456789 by me@here: told."
    assert notice.path(plan()) == "/api/v1/namespaces/shop/events"


def test_about_a_node_it_stands_where_nodes_events_are() -> None:
    body = notice.body(plan(""), "0123456789", "ended", "told.", at="", by="me@here")
    assert (body["involvedObject"]["kind"], body["involvedObject"]["name"]) == ("Node", "n1")
    assert notice.path(plan("")) == "/api/v1/namespaces/default/events"


def test_it_says_what_stays() -> None:
    assert notice.beginning(plan()) == "method copy begins; nothing stays."
    assert notice.beginning(plan(leaves="an entry")) == "method copy begins; what stays: an entry."
    assert notice.ending(plan(), 7, ()) == "method copy has ended after 7 packets."
    assert notice.ending(plan(), 7, ("pod a/b",)) == "method copy has ended after 7 packets. Still there: pod a/b."


def test_no_text_of_a_pod_breaks_it() -> None:
    """The API server refuses a message of more than 1,024 bytes."""
    body = notice.body(plan(), "0" * 10, "ended", "\x1b[31m" + "é" * 3000, at="", by="me@here")
    assert len(body["message"].encode()) <= 1024
    assert body["message"].isprintable()
