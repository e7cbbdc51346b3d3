"""The Reload button against the demo cluster, by the package's own entry as the launcher starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import k8s_extcap
from k8s_extcap.wireshark.option import UNCHOSEN
from k8s_extcap.wireshark.options import BY_CALL
from testbed.demo.cluster import DemoCluster

ENTRY = Path(k8s_extcap.__file__).parent / "__main__.py"
pytestmark = pytest.mark.demo


class Dialog:
    def __init__(self, cluster: DemoCluster, home: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "K8S_EXTCAP_HOME": str(home)}

    def reload(self, interface: str, option: str, *others: str) -> list[tuple[str, str]]:
        argv = ["--extcap-config", "--extcap-interface", interface, "--extcap-reload-option", option, *others]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-E", "-X", "utf8", ENTRY, *argv],
            env=self._environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        number = BY_CALL[option.removeprefix("--")].number
        rows = re.findall(r"^value \{arg=(\d+)\}\{value=([^}]*)\}\{display=([^}]*)\}", done.stdout, re.MULTILINE)
        assert [row[0] for row in rows] == [str(number)] * len(done.stdout.splitlines())
        assert done.stdout.count("{default=true}") == 1
        return [(value, display) for _, value, display in rows]


@pytest.fixture
def dialog(demo: DemoCluster, tmp_path: Path) -> Dialog:
    return Dialog(demo, tmp_path)


def names(rows: list[tuple[str, str]]) -> list[str]:
    return [value for value, _ in rows]


def test_contexts_namespaces_and_kinds(dialog: Dialog) -> None:
    assert names(dialog.reload("k8s-browse", "--context"))[:2] == [UNCHOSEN, "demo"]
    assert {"shop", "dev", "kube-system"} <= set(names(dialog.reload("k8s-browse", "namespace")))
    assert "deploy" in names(dialog.reload("k8s-browse", "kind"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("pod", "db-0"), ("deploy", "web"), ("sts", "db"), ("svc", "web"), ("node", "demo-1"), ("ns", "shop")],
)
def test_names_of_the_kind_and_namespace_chosen_so_far(dialog: Dialog, kind: str, expected: str) -> None:
    rows = dialog.reload("k8s-browse", "name", "--kind", kind, "--namespace", "shop")
    assert rows[0][0] == UNCHOSEN
    assert expected in names(rows)


def test_containers_and_network_interfaces_of_a_pod(dialog: Dialog) -> None:
    assert names(dialog.reload("k8s-pod-shop.db-0", "container")) == [UNCHOSEN, "db"]
    assert names(dialog.reload("k8s-pod-shop.db-0", "nic")) == [UNCHOSEN, "eth0", "lo", "any"]
    assert "db" in names(dialog.reload("k8s-browse", "container", "--target", "shop/db-0"))


@pytest.mark.parametrize(
    ("interface", "option", "others", "said"),
    [
        ("k8s-browse", "container", (), "Nothing is chosen"),
        ("k8s-browse", "name", ("--kind", "teapot"), "no kind"),
        ("k8s-browse", "namespace", ("--context", "demo-dev"), "forbidden"),
        ("k8s-browse", "namespace", ("--context", "nowhere"), "nowhere"),
        ("k8s-browse", "namespace", ("--timeout", "soon"), "--timeout"),
        ("k8s-browse", "context", ("--kubeconfig", "/nowhere"), "/nowhere"),
        ("k8s-pod-shop.gone", "container", (), "not there"),
        ("k8s-node-demo-1", "container", (), "no containers"),
    ],
)
def test_a_failure_is_a_row_with_its_sentence(
    dialog: Dialog, interface: str, option: str, others: tuple[str, ...], said: str
) -> None:
    rows = dialog.reload(interface, option, *others)
    assert said in rows[0][1]
    assert len(rows[0][1]) <= 150


def test_options_without_reload_and_unknown_ones_have_no_answer(demo: DemoCluster, tmp_path: Path) -> None:
    for option in ("--comment", "nonsense"):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-E", ENTRY, "--extcap-config", "--extcap-interface", "k8s-browse",
             "--extcap-reload-option", option],
            env={**os.environ, "K8S_EXTCAP_HOME": str(tmp_path), "KUBECONFIG": str(demo.kubeconfig)},
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
