"""The real window on the real cluster: rows, packets by each small method, and what a stop loses and leaves."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from testbed.cluster.handle import Cluster
from testbed.far import FarSide, until
from testbed.truth import launch, oracle
from testbed.truth.ledger import Expected
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui
from testbed.wireshark.window import Window

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


@pytest.mark.slow
def test_a_stop_loses_no_packet_that_was_sent_before_it(team: Callable[[], Window], cluster: Cluster, gui: Gui) -> None:
    """Numbered packets, the red square directly after the last; start and stop again and again in one window."""
    far = FarSide(cluster, cluster.pod("idle-n1"))
    peer = cluster.pod("idle-n2").ip
    window = team()
    row = "k8s-pod-team.idle-n1"
    window.wait_for_row(row)
    for turn in range(STOPS):
        window.start(row)
        there = until(lambda: any("tcpdump" in line and "-w" in line for line in far.ours()), 30)
        assert there, (turn, window.error(), window.words(), gui.desk.processes())
        before = launch.send(launch.Flow("udp", peer, rate=100, messages=5), far.inside())
        window.wait_for_packets(before.sent)
        square = window.screen.look().one("push button", "Stop")
        assert square
        sent = launch.send(launch.Flow("udp", peer, rate=1000, messages=500, number=2), far.inside())
        window.screen.click(square)
        window.wait_for_end()
        (file,) = gui.desk.scratch.glob("wireshark_*.pcapng")
        report = oracle.judge(oracle.stored(file), {1: Expected(before.sent), 2: Expected(sent.sent)})
        assert (report.broken, report.flows[2].missing, report.flows[2].duplicate) == (None, 0, 0)
        assert window.error() is None
        window.close_file()
        window.wait_for_row(row)
        assert until(lambda: not list(gui.desk.scratch.glob("wireshark_*.pcapng")), 5)
