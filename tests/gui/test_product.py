"""The whole job in the real window, on the demo cluster: pods as rows, options, packets, errors."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.demo import DemoCluster
from testbed.wait import until
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui
from testbed.wireshark.window import Window
from tests.gui.shop import ask

pytestmark = pytest.mark.demo


def pods(demo: DemoCluster, namespace: str) -> set[str]:
    """All that there are, asked of the API itself."""
    return {pod["metadata"]["name"] for pod in ask(demo, f"/api/v1/namespaces/{namespace}/pods")["items"]}


@pytest.fixture
def shop(gui: Gui, demo: DemoCluster) -> Callable[..., Window]:
    """Opens Wireshark for somebody who works in the namespace `shop`, or in another context."""

    def open_for(*args: str, context: str = "demo", namespace: str = "shop") -> Window:
        product.install(gui.desk, Path(demo.kubeconfig), context=context, namespace=namespace)
        product.command(gui.desk, "refresh")
        return gui.open(*args)

    return open_for


def row_of(demo: DemoCluster, start: str) -> str:
    """The interface of one pod of the shop."""
    return "k8s-pod-shop." + min(name for name in pods(demo, "shop") if name.startswith(start))


def test_every_pod_of_the_namespace_is_a_row(shop: Callable[..., Window], demo: DemoCluster) -> None:
    window = shop()
    window.wait_for_row("k8s-browse")
    values = {row.rsplit(": ", 1)[-1] for row in window.rows()}
    listed = {value.removeprefix("k8s-pod-shop.") for value in values if value.startswith("k8s-pod-shop.")}
    assert listed == pods(demo, "shop")
    assert len(listed) >= 5


def test_a_double_click_shows_live_packets_and_stop_leaves_nothing(
    shop: Callable[..., Window], demo: DemoCluster, gui: Gui
) -> None:
    window = shop()
    row = row_of(demo, "web-")
    window.wait_for_row(row)
    window.start(row)
    assert window.wait_for_packets(30) >= 30
    window.screen.wait("HTTP", lambda _: any(packet[4] == "HTTP" for packet in window.packet_rows(20)))
    assert product.capturing(gui.desk)
    window.stop()
    assert window.error() is None
    assert until(lambda: not product.capturing(gui.desk), 10), gui.desk.processes()


def test_options_reach_the_pod_and_serve_the_next_start(shop: Callable[..., Window], demo: DemoCluster) -> None:
    window = shop()
    row = row_of(demo, "web-")
    window.wait_for_row(row)
    dialog = window.open_options(row)
    dialog.set("Capture filter", "tcp port 8080 and tcp[tcpflags] & tcp-syn != 0")
    dialog.set("Stop after packets", "4")
    dialog.save()
    for _ in ("from the dialog", "from our own store"):
        window.start(row)
        window.wait_for_packets(4)
        window.wait_for_end()
        packets = window.packet_rows(4)
        assert len(packets) == 4
        assert all("8080" in packet[6] and "SYN" in packet[6] for packet in packets)
        assert window.error() is None
        window.close_file()
        window.wait_for_row(row)


def test_the_dialog_offers_the_containers_of_the_pod(shop: Callable[..., Window], demo: DemoCluster) -> None:
    window = shop()
    row = row_of(demo, "checkout")
    window.wait_for_row(row)
    dialog = window.open_options(row)
    dialog.press("Reload data", beside="Container")
    names = window.screen.wait("containers", lambda _: _two(dialog.choices("Container")))
    assert {"app", "proxy"} <= {name.split()[0] for name in names}


def _two(names: list[str]) -> list[str] | None:
    return names if len(names) > 2 else None


def test_a_missing_right_is_a_sentence_that_names_it(shop: Callable[..., Window], demo: DemoCluster) -> None:
    window = shop(context="demo-nocreate")
    row = row_of(demo, "web-")
    window.wait_for_row(row)
    window.start(row)
    said = window.wait_for_error()
    assert "pods/exec" in said
    assert "create" in said
    assert "Traceback" not in said


def test_several_pods_at_once(shop: Callable[..., Window], demo: DemoCluster, gui: Gui) -> None:
    window = shop()
    rows = [f"k8s-pod-shop.{name}" for name in sorted(pods(demo, "shop")) if name.startswith("web-")]
    assert len(rows) == 3
    window.wait_for_row(rows[0])
    window.select(*rows)
    window.press_start()
    window.wait_for_packets(30)
    assert len(product.capturing(gui.desk)) == 3
    window.stop()
    assert window.error() is None
    assert until(lambda: not product.capturing(gui.desk), 10), gui.desk.processes()


def test_any_pod_by_name_from_the_command_line(shop: Callable[..., Window], demo: DemoCluster) -> None:
    other = "k8s-pod-dev." + min(pods(demo, "dev"))
    window = shop("-k", "-i", other)
    assert window.wait_for_packets(5) >= 5


def test_when_wireshark_is_killed_nothing_of_ours_stays(
    shop: Callable[..., Window], demo: DemoCluster, gui: Gui
) -> None:
    window = shop()
    row = row_of(demo, "web-")
    window.wait_for_row(row)
    window.start(row)
    window.wait_for_packets(10)
    assert product.capturing(gui.desk)
    os.kill(window.process.pid, signal.SIGKILL)
    assert until(lambda: not product.capturing(gui.desk), 10), gui.desk.processes()
