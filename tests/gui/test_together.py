"""Ten captures started together in the real window, one of them of a pod that is gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import yaml

from testbed.demo import DemoCluster
from testbed.wait import until
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui, long
from tests.gui.shop import delete, pods

pytestmark = [pytest.mark.demo, pytest.mark.slow]

TOGETHER = 10


@pytest.fixture
def own(demo_factory: Callable[[], AbstractContextManager[DemoCluster]]) -> Iterator[DemoCluster]:
    """Pods of it are deleted."""
    with demo_factory() as cluster:
        yield cluster


def with_plugin(gui: Gui, demo: DemoCluster) -> Callable[[], int]:
    """The kubeconfig's current user gets its token from a plugin; how often that has run."""
    runs = gui.desk.scratch / "plugin-runs"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": demo.token("demo"), "expirationTimestamp": "2099-01-01T00:00:00Z"},
    }
    program = gui.desk.write("plugin", f"#!/bin/sh\necho run >>{runs}\necho '{json.dumps(answer)}'\n", mode=0o755)
    config = yaml.safe_load((gui.desk.home / ".kube/config").read_text())
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "interactiveMode": "Never",
    }
    config["users"] = [{"name": user["name"], "user": {"exec": spec}} for user in config["users"]]
    gui.desk.write(".kube/config", yaml.safe_dump(config))
    return lambda: len(runs.read_text().splitlines()) if runs.exists() else 0


@long
def test_ten_started_together_ask_for_credentials_once_and_one_that_fails_is_one_error(
    gui: Gui, own: DemoCluster
) -> None:
    product.install(gui.desk, own.kubeconfig, context="demo", namespace="shop")
    gui.desk.write(".config/k8s-extcap/settings.toml", 'namespaces = ["dev", "lab"]\n')
    runs = with_plugin(gui, own)
    assert until(lambda: product.command(gui.desk, "refresh").returncode == 0, 90)
    before = runs()
    chosen = [f"k8s-pod-shop.{pod}" for pod in pods(own, "shop", "web-")]
    chosen += [f"k8s-pod-shop.{pod}" for pod in (*pods(own, "shop", "api-"), "checkout", "db-0")]
    chosen += [f"k8s-pod-dev.{pod}" for pod in pods(own, "dev")]
    chosen += [f"k8s-pod-lab.{pod}" for pod in ("sender", "receiver", "sender-2")]
    chosen = sorted(chosen)[-TOGETHER:]
    assert len(chosen) == TOGETHER
    gone = "k8s-pod-lab.receiver"
    assert gone in chosen
    window = gui.open()
    window.wait_for_row(chosen[0])
    window.select(*chosen)
    delete(own, "lab", "receiver")
    for folder in gui.desk.home.glob(".local/state/k8s-extcap/credentials"):
        for file in folder.iterdir():
            file.unlink()
    window.press_start()
    window.wait_for_capture()
    assert until(lambda: window.packets() >= 50, 120), window.words()
    assert until(lambda: len(product.capturing(gui.desk)) == TOGETHER - 1), gui.desk.processes()
    seen = window.packets()
    assert until(lambda: window.packets() >= seen + 50, 120), window.words()
    assert until(lambda: len(product.capturing(gui.desk)) == TOGETHER - 1), gui.desk.processes()
    assert runs() - before <= 1
    errors = []
    if said := window.error():
        errors.append(said)
        window.dismiss()
    window.stop()
    if not errors:  # Wireshark tells what failed when all has ended
        errors.append(window.wait_for_error())
        window.dismiss()
    while said := window.error():
        errors.append(said)
        window.dismiss()
    assert len(errors) == 1, errors
    assert errors[0].count("Pod lab/receiver is not there") == 1
    assert not [other for other in chosen if other != gone and other.partition("k8s-pod-")[2] in errors[0]]
    assert until(lambda: not product.capturing(gui.desk)), gui.desk.processes()
