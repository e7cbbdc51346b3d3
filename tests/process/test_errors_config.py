"""What is wrong before any cluster is asked: options, names, the kubeconfig. Shown by the real tshark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Lane, Stage

pytestmark = pytest.mark.tshark

POD = "k8s-pod-shop.edge"


@pytest.fixture
def stage(tshark_native: Tshark) -> Stage:
    return Stage(tshark_native)


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path / "own", tmp_path / "no-kubeconfig")


class Wrong(NamedTuple):
    key: str
    interface: str
    options: tuple[str, ...]
    when: str
    do: str


OPTIONS = (
    Wrong("option-number", POD, ("--snaplen", "-1"), "A number is out of range.", "Write one within the range."),
    Wrong("option-choice", POD, ("--method", "magic"), "A choice is none of those offered.", "Write one of them."),
    Wrong("option-switch", POD, ("--promiscuous", "perhaps"), "A switch is neither on nor off.", "true or false."),
    Wrong("option-size", POD, ("--buffer", "12 apples"), "A size is no size.", "Write it as 16MiB."),
    Wrong("option-time", POD, ("--limit-time", "soon"), "A time is no time.", "Write it as 30s."),
    Wrong("option-path", POD, ("--tcpdump", "bin/tcpdump"), "A path is not absolute.", "Begin it with /."),
    Wrong("option-nic", POD, ("--nic", "a/b"), "The network interface cannot exist.", "Write a name such as eth0."),
    Wrong("option-image", POD, ("--helper-image", "a b"), "The helper image is no image.", "Write registry/name:tag."),
    Wrong("option-labels", POD, ("--helper-labels", "a"), "A label is no label.", "Write key=value."),
    Wrong("option-proxy", POD, ("--proxy", "proxy:8080"), "The proxy is no address.", "Write http://HOST:PORT."),
    Wrong("option-control", POD, ("--comment", "a\nb"), "A value has control characters.", "Remove them."),
    Wrong("filter-too-long", POD, ("--filter", "tcp or " * 3000), "The filter has over 16 KiB.", "Shorten it."),
    Wrong("name-incomplete", "k8s-pod-edge", (), "An interface name lacks a part.", "k8s-extcap name makes one."),
    Wrong("name-unknown-kind", "k8s-thing-shop.edge", (), "An interface name has an unknown kind.", "k8s-extcap list."),
    Wrong("browse-nothing", "k8s-browse", (), "Browse was started with nothing chosen.", "Choose in its options."),
    Wrong("browse-target", "k8s-browse", ("--target", "a/b/c/d/e"), "The target has too many parts.", "Write fewer."),
)  # fmt: skip


@pytest.mark.parametrize("wrong", OPTIONS, ids=lambda w: w.key)
def test_a_request_that_cannot_be(wrong: Wrong, stage: Stage, lane: Lane, demo: DemoCluster) -> None:
    """tshark does not pass line ends and unknown names to us as they are: the lane does."""
    stage.config(demo.kubeconfig)
    if wrong.key in ("name-incomplete", "name-unknown-kind", "option-control"):
        shown = lane.show(wrong.interface, *wrong.options)
    else:
        shown = stage.show(wrong.interface, *wrong.options)
        if wrong.key == "option-number":
            assert shown == lane.show(wrong.interface, *wrong.options)
    check(wrong.key, shown, wrong.when, wrong.do)


def test_a_capture_without_a_fifo_is_told_who_passes_one(tmp_path: Path) -> None:
    from tests.golden.errors.stage import ENTRY

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-E", str(ENTRY), "--capture", "--extcap-interface", POD],
        env={"K8S_EXTCAP_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "A capture needs --fifo, which Wireshark passes; people use 'k8s-extcap capture'.\n"


# The kubeconfig


def config(demo: DemoCluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(demo.kubeconfig.read_text())
    return found


def test_no_kubeconfig(stage: Stage) -> None:
    check("kubeconfig-missing", stage.show(POD), "There is no kubeconfig.", "Set KUBECONFIG or the option Kubeconfig.",
          {str(stage.home): "HOME"})  # fmt: skip


BROKEN = (
    ("kubeconfig-yaml", "a: [b\n\tc: d", "The kubeconfig is not valid YAML.", "Mend it; kubectl config view."),
    ("kubeconfig-list", "- one\n- two\n", "The kubeconfig is YAML but no kubeconfig.", "Name the right file."),
    ("kubeconfig-empty", "", "The kubeconfig is empty.", "Name the right file."),
    ("kubeconfig-binary", "\x00\x01\x02 kubeconfig", "The kubeconfig is a binary file.", "Name the right file."),
)


@pytest.mark.parametrize(("key", "text", "when", "do"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_kubeconfig(stage: Stage, key: str, text: str, when: str, do: str) -> None:
    stage.config(text)
    check(key, stage.show(POD), when, do, {str(stage.home): "HOME"})


def test_a_kubeconfig_that_may_not_be_read(stage: Stage, demo: DemoCluster) -> None:
    stage.config(demo.kubeconfig).chmod(0)
    check("kubeconfig-unreadable", stage.show(POD), "The kubeconfig may not be read.", "chmod u+r it, or own it.",
          {str(stage.home): "HOME"})  # fmt: skip


def _without_current(tree: dict[str, Any]) -> None:
    del tree["current-context"]


def _unknown_current(tree: dict[str, Any]) -> None:
    tree["current-context"] = "gone"


def _no_cluster(tree: dict[str, Any]) -> None:
    tree["contexts"][0]["context"]["cluster"] = "gone"


def _no_user(tree: dict[str, Any]) -> None:
    tree["contexts"][0]["context"]["user"] = "gone"


def _no_server(tree: dict[str, Any]) -> None:
    del tree["clusters"][0]["cluster"]["server"]


def _no_authority(tree: dict[str, Any]) -> None:
    tree["clusters"][0]["cluster"] = {
        "server": tree["clusters"][0]["cluster"]["server"], "certificate-authority": "/no/such/ca.crt",
    }  # fmt: skip


def _bad_authority(tree: dict[str, Any]) -> None:
    tree["clusters"][0]["cluster"]["certificate-authority-data"] = "bm8gY2VydGlmaWNhdGU="


def _no_certificate(tree: dict[str, Any]) -> None:
    tree["users"][0]["user"] = {"client-certificate": "/no/such/user.crt", "client-key": "/no/such/user.key"}


def _bad_certificate(tree: dict[str, Any]) -> None:
    data = "bm8gY2VydGlmaWNhdGU="
    tree["users"][0]["user"] = {"client-certificate-data": data, "client-key-data": data}


CHANGED = (
    ("context-none", _without_current, "No current context, and none asked for.", "kubectl config use-context."),
    ("context-gone", _unknown_current, "The current context does not exist.", "kubectl config use-context."),
    ("context-no-cluster", _no_cluster, "The context names a cluster that is not there.", "Mend the kubeconfig."),
    ("context-no-user", _no_user, "The context names a user that is not there.", "Mend the kubeconfig."),
    ("context-no-server", _no_server, "The cluster entry has no server.", "Mend the kubeconfig."),
    ("authority-missing", _no_authority, "The file of the certificate authority is not there.", "Put it there."),
    ("authority-broken", _bad_authority, "The certificate authority is no certificate.", "Mend the kubeconfig."),
    ("certificate-missing", _no_certificate, "The file of the user's certificate is not there.", "Put it there."),
    ("certificate-broken", _bad_certificate, "The user's certificate is none.", "Get a new kubeconfig."),
)


@pytest.mark.parametrize(("key", "change", "when", "do"), CHANGED, ids=[row[0] for row in CHANGED])
def test_a_kubeconfig_that_does_not_fit_together(
    stage: Stage, demo: DemoCluster, key: str, change: Any, when: str, do: str
) -> None:
    tree = config(demo)
    change(tree)
    stage.config(json.dumps(tree))
    check(key, stage.show(POD), when, do, {str(stage.home): "HOME"})


def test_a_context_that_is_not_there(stage: Stage, demo: DemoCluster) -> None:
    stage.config(demo.kubeconfig)
    check("context-unknown", stage.show(POD, "--context", "production"), "The context asked for does not exist.",
          "Choose one that it has.", {str(stage.home): "HOME"})  # fmt: skip
