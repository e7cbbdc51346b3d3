"""What goes wrong, read where people read it: in the message box of the real window, word for word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from testbed.demo import DemoCluster
from testbed.wait import until
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui, long
from testbed.wireshark.window import Window
from tests.golden.errors import golden
from tests.gui.shop import delete

pytestmark = [pytest.mark.demo, pytest.mark.slow]
EDGE = "k8s-pod-shop.edge"


@pytest.fixture
def own(demo_factory: Callable[[], AbstractContextManager[DemoCluster]]) -> Iterator[DemoCluster]:
    """A pod of it is deleted."""
    with demo_factory() as cluster:
        yield cluster


def said(window: Window, row: str) -> str:
    """The message of a start that fails; the box is closed."""
    window.start(row)
    words = " ".join(window.wait_for_error().split())
    assert until(lambda: listed(window, row), 60)
    return words


def listed(window: Window, row: str) -> bool:
    """One step on the way to the list: Wireshark may also say that it got no packets."""
    if window.error():
        window.dismiss()
        return False
    if any(row in each for each in window.rows()):
        return True
    if window.screen.look().one("push button", "Close"):
        window.close_file()
    return False


def golden_text(key: str) -> str:
    return golden.entries()[key].text


@long
def test_three_that_people_meet(gui: Gui, own: DemoCluster) -> None:
    product.install(gui.desk, own.kubeconfig, context="demo", namespace="shop")
    product.command(gui.desk, "refresh")
    window = gui.open()
    window.wait_for_row("k8s-pod-shop.db-0")
    delete(own, "shop", "db-0")
    assert golden_text("pod-gone").replace("shop/gone", "shop/db-0") in said(window, "k8s-pod-shop.db-0")
    dialog = window.open_options(EDGE)
    dialog.set("Method", next(each for each in dialog.choices("Method") if each.startswith("upload")))
    dialog.save()
    assert golden_text("no-shell") in said(window, EDGE)
    product.point(gui.desk, own.kubeconfig, context="demo-nocreate", namespace="shop")
    product.command(gui.desk, "refresh")
    window.rescan()
    window.wait_for_row(EDGE)
    assert golden_text("exec-no-create") in said(window, EDGE)
    assert until(lambda: not product.capturing(gui.desk))
