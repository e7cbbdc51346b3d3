"""A capture harms nobody: not the application's memory, not the node's network; and it leaves nothing when killed."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import beside, helper
from k8s_extcap.model.errors import MethodError
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from testbed.cluster.bed import default_bed
from testbed.cluster.handle import Cluster
from testbed.truth.launch import sender
from tests.cluster.drive import Drive, drive, node_target, target_of
from tests.cluster.test_methods import ask, copy

pytestmark = pytest.mark.cluster

MIB = 1 << 20
LIMIT = 32 * MIB
ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    cluster.need_bed("nodes to look at")
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    return open_session(Connection(kubeconfig=str(cluster.admin)))


def full(cluster: Cluster, namespace: str, image: str, used: int, node: str) -> str:
    """A pod whose application holds `used` bytes of its limit, in memory that the kernel cannot take back."""
    script = f"head -c {used} /dev/zero >/dev/shm/held; exec sleep 1000000"
    container = {
        "name": "app",
        "image": cluster.image(image),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "resources": {"limits": {"memory": str(LIMIT)}, "requests": {"memory": str(LIMIT)}},
    }
    spec = {
        "containers": [container],
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "full"}, "spec": spec}
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))
    cluster.wait_ready("full", namespace)
    time.sleep(1)  # the application has filled its memory
    return "full"


@contextmanager
def flood(cluster: Cluster, address: str) -> Iterator[None]:
    """20,000 packets of 200 bytes a second to `address`, from another pod."""
    name = f"/tmp/flood-{secrets.token_hex(4)}"
    words = ["exec", "-i", "-n", "team", "idle-n1", "--"]
    put = f"cat >{name} && chmod 755 {name}"
    base = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.admin), *words, "sh", "-c"]
    subprocess.run([*base, put], input=sender().read_bytes(), check=True, timeout=30)
    run = f"{name} udp {address} 9999 -r 20000 >/dev/null & p=$!; read x; kill $p; rm -f {name}"
    with subprocess.Popen([*base, run], stdin=subprocess.PIPE) as running:
        try:
            yield
        finally:
            assert running.stdin is not None
            running.stdin.close()
            running.wait(15)


def restarts(cluster: Cluster, namespace: str, name: str) -> Any:
    status = cluster.get("pod", name, "-n", namespace)["status"]
    return [(c["restartCount"], "running" in c["state"]) for c in status["containerStatuses"]]


@pytest.mark.parametrize("node", ["n1", "n2"])
@pytest.mark.parametrize("used", [LIMIT * 9 // 10, LIMIT * 6 // 10], ids=["90%", "60%"])
@pytest.mark.parametrize("method", ["resident", "upload", "ephemeral"])
def test_a_pod_near_its_memory_limit_survives(
    cluster: Cluster, session: Session, namespace: str, method: str, used: int, node: str
) -> None:
    pod = full(cluster, namespace, "tcpdump", used, node)
    address = cluster.pod(pod, namespace).ip
    request = ask(cluster, method)
    refused = None
    with flood(cluster, address):
        try:
            target = target_of(session, namespace, pod)
            done = asyncio.run(drive(session, request, target, secrets.token_hex(5), packets=1 << 30, seconds=5))
        except MethodError as error:
            refused = error.sentence
    assert restarts(cluster, namespace, pod) == [(0, True)]
    if used > LIMIT * 8 // 10:
        assert refused
        assert "could get the application killed" in refused
    else:
        assert refused is None
        assert len(done.packets) > 10_000, done.said
        assert "so the buffer is" in done.plan.why
        assert int(done.plan.execs[0].command[done.plan.execs[0].command.index("-B") + 1]) < 8192


@pytest.mark.slow
@pytest.mark.parametrize("interface", ["", "eth0", "lo"])
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_an_idle_nodes_capture_does_not_feed_itself(
    cluster: Cluster, session: Session, node: str, interface: str
) -> None:
    request = ask(cluster, "nsenter", interface=interface)
    target = node_target(session, cluster.namespace, node)
    seconds = 30
    done = asyncio.run(drive(session, request, target, secrets.token_hex(5), packets=1 << 30, seconds=seconds))
    assert done.code == 0, done.said
    assert done.seconds >= seconds
    assert done.octets < 100_000 * seconds


SAY = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), ('127.0.0.1', 9))"
LINK = {"lo": 14, "any": 20}  # bytes before the network header: Ethernet, LINKTYPE_LINUX_SLL2


def tcp_ports(packet: bytes, link: int) -> set[int]:
    """Source and destination of a TCP segment in IPv4 (RFC 791, RFC 9293); none of anything else."""
    at = link + (packet[link] & 15) * 4 if len(packet) > link + 20 else 0
    if not at or packet[link] >> 4 != 4 or packet[link + 9] != 6 or len(packet) < at + 4:
        return set()
    return {int.from_bytes(packet[at : at + 2], "big"), int.from_bytes(packet[at + 2 : at + 4], "big")}


def on_the_node(node: str, *words: str) -> str:
    entered = ["nsenter", f"--net={default_bed().node(int(node[1:])).netns}", *words]
    return subprocess.run(entered, capture_output=True, text=True, check=True, timeout=30).stdout


def streaming_ports(node: str) -> set[int]:
    """Where the node's containerd listens, by `ss`, which shares no code with the look-up."""
    lines = on_the_node(node, "ss", "-Hltnp").splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines if '"containerd"' in line}


@pytest.mark.parametrize("interface", ["lo", "any"])
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_node_is_captured_without_the_path_of_the_capture(
    cluster: Cluster, session: Session, node: str, interface: str
) -> None:
    """Whatever else the node does meanwhile: nothing of the kubelet's and the runtime's stream is among the packets."""
    own = streaming_ports(node)
    assert own
    target = node_target(session, cluster.namespace, node)
    request = ask(cluster, "nsenter", interface=interface)
    mark = b"on the loopback of " + node.encode()

    async def captured() -> Drive:
        done = asyncio.create_task(drive(session, request, target, secrets.token_hex(5), packets=1 << 30, seconds=8))
        while not done.done():
            await asyncio.to_thread(on_the_node, node, sys.executable, "-c", SAY, mark.decode())
            await asyncio.sleep(0.5)
        return await done

    done = asyncio.run(captured())
    assert done.code == 0, done.said
    assert any(mark in packet for packet in done.packets)
    seen = [tcp_ports(packet, LINK[interface]) for packet in done.packets]
    assert not [ports for ports in seen if ports & {*own, 10250, 6443}]


@pytest.mark.slow
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_capture_in_a_pod_of_the_nodes_network_does_not_feed_itself(
    cluster: Cluster, session: Session, node: str
) -> None:
    target = target_of(session, "hard", f"hostnet-{node}")
    done = asyncio.run(
        drive(session, ask(cluster, "upload"), target, secrets.token_hex(5), packets=1 << 30, seconds=30)
    )
    assert done.code == 0, done.said
    assert done.seconds >= 30
    assert done.octets < 100_000 * 30


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_an_ephemeral_container_ends_itself_and_not_while_it_is_used(
    cluster: Cluster, session: Session, namespace: str, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "IDLE", 10)
    copy(cluster, "team", f"idle-{node}", namespace)
    cluster.wait_ready(f"idle-{node}", namespace)
    target = target_of(session, namespace, f"idle-{node}")
    done = asyncio.run(
        drive(session, ask(cluster, "ephemeral"), target, secrets.token_hex(5), packets=1 << 30, seconds=25)
    )
    assert done.code == 0, done.said
    assert done.seconds >= 25

    def state() -> Any:
        return cluster.get("pod", f"idle-{node}", "-n", namespace)["status"]["ephemeralContainerStatuses"][0]["state"]

    assert "running" in state()
    end = time.monotonic() + 40
    while "terminated" not in state():
        assert time.monotonic() < end
        time.sleep(0.5)
    assert state()["terminated"]["exitCode"] == 0


@pytest.mark.slow
def test_a_helper_whose_whole_clean_up_was_killed_ends_itself_and_the_cluster_deletes_it(
    cluster: Cluster, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper, "IDLE", 5)
    monkeypatch.setattr(helper, "TTL", 5)
    capture = secrets.token_hex(5)
    body = helper.job(ask(cluster, "nsenter"), "n1", f"k8s-extcap-{capture}", capture, "")
    session.api.create(f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs", body)
    end = time.monotonic() + 60
    while cluster.kubectl(
        "get", "job,pod", "-n", cluster.namespace, "-l", f"k8s-extcap/capture={capture}", "-o", "name"
    ):
        assert time.monotonic() < end
        time.sleep(0.5)


KILLED = """
import asyncio, sys
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest, Connection, Helper
from k8s_extcap.run.session import open_session
from tests.cluster import drive as driver
kubeconfig, method, pod, capture, image, helpers = sys.argv[1:]
connection = Connection(kubeconfig=kubeconfig)
session = open_session(connection)
request = CaptureRequest(Name("pod"), method=method, output="pcap", connection=connection,
                         helper=Helper(image=image, namespace=helpers))
parse = driver.parse
def told(data):
    found = parse(data)
    if len(found) >= 3:
        print("flows", flush=True)
    return []
driver.parse = told
asyncio.run(driver.drive(session, request, driver.target_of(session, "team", pod), capture, seconds=60))
"""


@pytest.mark.parametrize("node", ["n1", "n2"])
@pytest.mark.parametrize("method", ["upload", "nsenter"])
def test_killed_while_packets_flow_nothing_stays(
    cluster: Cluster, session: Session, tmp_path: Path, method: str, node: str
) -> None:
    capture, pod = secrets.token_hex(5), f"client-{node}"
    words = [str(cluster.admin), method, pod, capture, cluster.image("helper"), cluster.namespace]
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "K8S_EXTCAP_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "flows\n"
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    end = time.monotonic() + 30
    while left := leftovers(cluster, pod, capture, tmp_path):
        assert time.monotonic() < end, left
        time.sleep(0.2)


def leftovers(cluster: Cluster, pod: str, capture: str, home: Path) -> str:
    """Files and processes in the pod, objects in the cluster, journals here; by kubectl and ls, not by our code."""
    inside = f"ls -d /tmp/*{capture}* /dev/*{capture}* /*{capture}*; ps | grep -v grep | grep {capture}"
    text = cluster.kubectl("exec", "-n", "team", pod, "-c", "app", "--", "sh", "-c", f"({inside}) 2>/dev/null; true")
    text += cluster.kubectl("get", "job,pod", "-A", "-l", f"k8s-extcap/capture={capture}", "-o", "name")
    return text + "".join(map(str, (home / "state" / "journal").glob("*")))
