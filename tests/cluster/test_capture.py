"""The main job on the real cluster through the real tshark: packets come, and every end leaves nothing behind."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed import group
from testbed.cluster.handle import Cluster
from testbed.far import FarSide, alive, children
from testbed.truth import launch, oracle
from testbed.truth.account import account
from testbed.truth.files import Chunk
from testbed.wait import until
from testbed.wireshark.tshark import Tshark, end, interrupt
from tests.cluster.live import ENTRY, Product, install

pytestmark = [pytest.mark.cluster, pytest.mark.tshark]

# Resident and upload, on the runtime of each node.
BUSY = ["tcpdump-n1", "tcpdump-n2", "client-n1", "client-n2"]
END = 2.0  # seconds that an end may take: the promise of the issue, a time-out here


@pytest.fixture
def product(tshark_native: Tshark, cluster: Cluster) -> Product:
    return install(tshark_native, cluster.kubeconfig)


def test_packets_of_a_pod_by_name_on_every_wireshark(tshark: Tshark, cluster: Cluster) -> None:
    product = install(tshark, cluster.kubeconfig)
    done = product.run(
        "-i", "k8s-pod-team.tcpdump-n1", "-c", "20", "-T", "fields", "-e", "ip.addr", "-e", "frame.interface_name"
    )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 20
    ip = cluster.pod("tcpdump-n1").ip
    assert any(ip in line for line in lines)
    assert all(line.endswith("team/tcpdump-n1 eth0") for line in lines)
    assert "rror" not in done.stderr


@pytest.mark.parametrize("pod", BUSY)
@pytest.mark.parametrize("how", ["-c", "-a", "interrupt", "terminate", "kill", "kill dumpcap"])
def test_every_end_leaves_nothing(product: Product, cluster: Cluster, pod: str, how: str) -> None:
    far = FarSide(cluster, cluster.pod(pod))
    limit = {"-c": ["-c", "5"], "-a": ["-a", "duration:2"]}.get(how, [])
    process = product.start("-l", "-i", f"k8s-pod-team.{pod}", *limit)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()  # packets flow
        ours = [p for p in children(process.pid) if alive(p)]
        if how == "interrupt":
            interrupt(process)
        elif how == "terminate":
            process.terminate()
        elif how == "kill":
            process.kill()
        elif how == "kill dumpcap":
            dumpcap = [p for p in ours if b"dumpcap" in Path(f"/proc/{p}/cmdline").read_bytes()]
            os.kill(dumpcap[0], signal.SIGKILL)
        else:
            process.wait(30)
        assert far.gone(END + 1), (far.ours(), far.files())
        assert until(lambda: not any(alive(p) for p in ours), END + 2)
    finally:
        end(process)


class Direct:
    """The capture lane alone, as Wireshark starts it, on a FIFO whose reader is this test."""

    def __init__(self, cluster: Cluster, interface: str, folder: Path, *options: str) -> None:
        self.home = folder / "home"
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo, 0o600)
        start = [sys.executable, "-I", "-S", "-E", "-X", "utf8", str(ENTRY), "--capture"]
        self.process = subprocess.Popen(
            [*start, "--extcap-interface", interface, "--fifo", str(self.fifo), *options],
            env={**os.environ, "K8S_EXTCAP_HOME": str(self.home), "KUBECONFIG": str(cluster.kubeconfig)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.fd = os.open(self.fifo, os.O_RDONLY)
        self.data: list[Chunk] = []
        self.reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        self.data = list(oracle.live(self.fd))

    def first(self) -> bytes:
        return os.read(self.fd, 65536)

    def said(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def close(self) -> None:
        group.kill(self.process)
        self.process.communicate()
        if self.fd >= 0:
            os.close(self.fd)


@pytest.fixture
def direct(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Direct]:
    lane = Direct(cluster, f"k8s-pod-team.{request.param}", tmp_path)
    yield lane
    lane.close()


@pytest.mark.parametrize("direct", BUSY, indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_silently(
    direct: Direct, cluster: Cluster, number: int, request: pytest.FixtureRequest
) -> None:
    pod = request.node.callspec.params["direct"]
    far = FarSide(cluster, cluster.pod(pod))
    assert direct.first()
    direct.reader.start()
    direct.process.send_signal(number)
    assert direct.process.wait(END + 1) == 0
    assert direct.said() == ""
    assert far.gone(1), (far.ours(), far.files())


@pytest.mark.parametrize("direct", BUSY, indirect=True)
def test_a_closed_fifo_ends_it_silently(direct: Direct, cluster: Cluster, request: pytest.FixtureRequest) -> None:
    far = FarSide(cluster, cluster.pod(request.node.callspec.params["direct"]))
    assert direct.first()
    os.close(direct.fd)
    direct.fd = -1
    assert direct.process.wait(END + 1) == 0
    assert direct.said() == ""
    assert far.gone(1), (far.ours(), far.files())


@pytest.mark.parametrize("direct", BUSY, indirect=True)
def test_killed_outright_the_far_side_ends_by_itself(
    direct: Direct, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    far = FarSide(cluster, cluster.pod(request.node.callspec.params["direct"]))
    assert direct.first()
    direct.process.kill()
    assert far.gone(END + 2), (far.ours(), far.files())


@pytest.mark.parametrize("pod", ["idle-n1", "idle-n2"])
@pytest.mark.parametrize(
    ("method", "rate", "count"), [("resident", 1000, 2000), ("upload", 1000, 2000), ("upload", 20000, 60000)]
)
def test_every_packet_arrives_once_and_in_order(
    cluster: Cluster, tmp_path: Path, pod: str, method: str, rate: int, count: int
) -> None:
    """Numbered packets; stopped as the GUI does, with the reader still there, directly after the last."""
    far = FarSide(cluster, cluster.pod(pod))
    lane = Direct(cluster, f"k8s-pod-team.{pod}", tmp_path, "--method", method, "--extcap-capture-filter", "udp port 9")
    try:
        lane.reader.start()
        assert until(far.capturing, 10)
        time.sleep(0.5)
        peer = cluster.pod("idle-n2" if pod == "idle-n1" else "idle-n1").ip
        sent = launch.send(launch.Flow("udp", peer, rate=rate, messages=count), far.inside())
        lane.process.terminate()
        assert lane.process.wait(END + 2) == 0
        lane.reader.join(5)
        assert sent.sent == count
        # What is missing was dropped by the kernel's ring and is told so in the file; nothing is lost on the way.
        assert account(lane.data, {1: count}).faults == []
        assert far.gone(1), (far.ours(), far.files())
    finally:
        lane.close()


def test_ten_interfaces_together_one_of_them_not_there(product: Product, cluster: Cluster, tmp_path: Path) -> None:
    """One run of the credential plugin, packets of all that exist, one error for the one that does not."""
    pods = ["team.tcpdump-n1", "team.tcpdump-n2", "team.client-n1", "team.client-n2", "team.no-such-pod"]
    pods += ["hard.several-n1", "hard.several-n2", "baseline.shell-n1", "quota.app-n1", "limits.app-n2"]
    runs = plugin(product, cluster)
    words = [word for pod in pods for word in ("-i", f"k8s-pod-{pod}")]
    done = product.run(*words, "-a", "duration:6", "-T", "fields", "-e", "frame.interface_name", timeout=90)
    seen = {line.partition(" ")[0] for line in done.stdout.splitlines()}
    assert seen >= {pod.replace(".", "/") for pod in pods if pod != "team.no-such-pod"}
    assert done.stderr.count("Error") == 1
    assert "Pod team/no-such-pod is not there" in done.stderr
    assert runs.read_text().count("run") == 1


def plugin(product: Product, cluster: Cluster) -> Path:
    """The user's kubeconfig gets a credential plugin that counts its runs and gives the admin's certificate."""
    desk = product.tshark.desk
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    user = config["users"][0]["user"]
    given = {
        "clientCertificateData": base64.b64decode(user["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(user["client-key-data"]).decode(),
        "expirationTimestamp": "2099-01-01T00:00:00Z",
    }
    version = "client.authentication.k8s.io/v1"
    answer = desk.write("answer.json", json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": given}))
    runs = desk.write("runs", "")
    script = desk.write("plugin", f"#!/bin/sh\necho run >>{runs}\nexec cat {answer}\n", mode=0o700)
    config["users"][0]["user"] = {
        "exec": {"apiVersion": version, "command": str(script), "interactiveMode": "Never"},
    }
    desk.write(".kube/config", yaml.safe_dump(config))
    return runs
