"""The real window on the real cluster: rows, packets by each small method, and what a stop loses and leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from testbed.cluster.handle import Cluster, PodInfo
from testbed.far import FarSide
from testbed.truth import launch, oracle
from testbed.truth.ledger import Expected
from testbed.wait import until
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui, long
from testbed.wireshark.window import Window
from tests.cluster.test_methods import copy

pytestmark = pytest.mark.cluster

# Resident and upload, one on each runtime.
BUSY = ["tcpdump-n1", "client-n2"]
# In a row. A hundred are for the records: K8S_EXTCAP_TEST_STOPS=100 … --timeout 900
STOPS = int(os.environ.get("K8S_EXTCAP_TEST_STOPS", "5"))


@pytest.fixture
def team(gui: Gui, cluster: Cluster) -> Callable[[], Window]:
    """Opens Wireshark for somebody who works in the namespace `team`."""

    def opened() -> Window:
        product.install(gui.desk, cluster.kubeconfig, namespace="team")
        product.command(gui.desk, "refresh")
        return gui.open()

    return opened


def test_the_pods_of_the_namespace_are_rows(team: Callable[[], Window], cluster: Cluster) -> None:
    window = team()
    window.wait_for_row("k8s-browse")
    values = {row.rsplit(": ", 1)[-1] for row in window.rows()}
    running = cluster.get("pods", "-n", "team", "--field-selector", "status.phase=Running")["items"]
    assert {f"k8s-pod-team.{pod['metadata']['name']}" for pod in running} <= values
    assert len(running) >= 6


@pytest.mark.parametrize("pod", BUSY)
def test_live_packets_and_a_stop_that_leaves_nothing(
    team: Callable[[], Window], cluster: Cluster, gui: Gui, pod: str
) -> None:
    far = FarSide(cluster, cluster.pod(pod))
    window = team()
    row = f"k8s-pod-team.{pod}"
    window.wait_for_row(row)
    window.start(row)
    window.wait_for_packets(20)
    assert far.ours()
    address = cluster.pod(pod).ip
    assert any(address in packet[2:4] for packet in window.packet_rows(20))
    window.stop()
    assert window.error() is None
    assert far.gone(5), (far.ours(), far.files())
    assert until(lambda: not product.capturing(gui.desk), 5), gui.desk.processes()


@pytest.fixture
def alone(cluster: Cluster) -> Iterator[PodInfo]:
    """A pod that nobody else sends from, in a namespace of its own."""
    namespace = cluster.new_namespace()
    copy(cluster, "team", "idle-n1", namespace)
    try:
        yield cluster.wait_ready("idle-n1", namespace)
    finally:
        cluster.delete_namespace(namespace)


def started(gui: Gui, cluster: Cluster, pod: PodInfo) -> tuple[Window, str]:
    product.install(gui.desk, cluster.kubeconfig, namespace=pod.namespace)
    product.command(gui.desk, "refresh")
    window, row = gui.open(), f"k8s-pod-{pod.namespace}.{pod.name}"
    window.wait_for_row(row)
    return window, row


@pytest.mark.slow
def test_a_stop_loses_no_packet_that_was_sent_before_it(gui: Gui, cluster: Cluster, alone: PodInfo) -> None:
    window, row = started(gui, cluster, alone)
    again_and_again(window, row, FarSide(cluster, alone), cluster.pod("idle-n2").ip, "resident")


@long
@pytest.mark.slow
def test_nor_does_one_of_an_uploaded_tcpdump(gui: Gui, cluster: Cluster, alone: PodInfo) -> None:
    window, row = started(gui, cluster, alone)
    dialog = window.open_options(row)
    dialog.set("Method", next(each for each in dialog.choices("Method") if each.startswith("upload")))
    dialog.save()
    again_and_again(window, row, FarSide(cluster, alone), cluster.pod("idle-n2").ip, "upload")


def again_and_again(window: Window, row: str, far: FarSide, peer: str, method: str) -> None:
    """Numbered packets, the red square directly after the last; start and stop again and again in one window."""
    scratch = window.desk.scratch
    for turn in range(STOPS):
        window.start(row)
        assert until(far.capturing, 30), (turn, window.error(), window.words(), window.desk.processes())
        assert any("/k8s-extcap-" in line for line in far.ours()) == (method == "upload"), far.ours()
        before = launch.send(launch.Flow("udp", peer, rate=100, messages=5), far.inside())
        window.wait_for_packets(before.sent)
        square = window.screen.look().one("push button", "Stop")
        assert square
        sent = launch.send(launch.Flow("udp", peer, rate=1000, messages=500, number=2), far.inside())
        window.screen.click(square)
        window.wait_for_end()
        (file,) = scratch.glob("wireshark_*.pcapng")
        report = oracle.judge(oracle.stored(file), {1: Expected(before.sent), 2: Expected(sent.sent)})
        assert (report.broken, report.flows[2].missing, report.flows[2].duplicate) == (None, 0, 0)
        assert window.error() is None
        assert far.gone(5), (far.ours(), far.files())
        window.close_file()
        window.wait_for_row(row)
        assert until(lambda: not list(scratch.glob("wireshark_*.pcapng")), 5)
