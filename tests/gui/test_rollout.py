"""Dialogs saved for pods that are then replaced: tshark knows every preference, the new pods have the values."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from testbed.cluster.handle import Cluster
from testbed.wait import until
from testbed.wireshark import product
from testbed.wireshark.fixtures import Gui, long
from testbed.wireshark.tshark import Tshark

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

# Dialogs saved. A hundred are for the records: K8S_EXTCAP_TEST_DIALOGS=100 … --timeout 1800
DIALOGS = int(os.environ.get("K8S_EXTCAP_TEST_DIALOGS", "4"))
PODS = 2
TALK = "while :; do wget -q -T 1 -O /dev/null http://$KUBERNETES_SERVICE_HOST:443; sleep 0.2; done"


@pytest.fixture
def deployment(cluster: Cluster) -> Iterator[str]:
    """The namespace of a Deployment `web`, which is ready."""
    namespace = cluster.new_namespace()
    container = {
        "name": "app",
        "image": cluster.image("tcpdump"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", TALK],
    }
    labels = {"app": "web"}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    spec = {
        "replicas": PODS,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))
    cluster.kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=90s")
    yield namespace
    cluster.delete_namespace(namespace)


def interfaces(cluster: Cluster, namespace: str) -> list[str]:
    running = [pod for pod in cluster.pods("app=web", namespace) if pod.phase == "Running"]
    return sorted(f"k8s-pod-{namespace}.{pod.name}" for pod in running)


@long
def test_after_many_dialogs_and_a_rollout_tshark_knows_every_preference(
    gui: Gui, cluster: Cluster, deployment: str
) -> None:
    product.install(gui.desk, cluster.kubeconfig, namespace=deployment)
    product.command(gui.desk, "refresh")
    rows = interfaces(cluster, deployment)
    window = gui.open()
    window.wait_for_row(rows[0])
    for turn in range(DIALOGS):
        dialog = window.open_options(rows[turn % PODS])
        dialog.set("Snapshot length", str(1000 + turn))
        dialog.save()
    last = rows[(DIALOGS - 1) % PODS]
    window.start(last)
    window.wait_for_packets(1)
    window.stop()
    assert window.error() is None
    cluster.kubectl("rollout", "restart", "deploy/web", "-n", deployment)
    cluster.kubectl("rollout", "status", "deploy/web", "-n", deployment, "--timeout=90s")
    assert until(lambda: len(interfaces(cluster, deployment)) == PODS, 60)
    new = interfaces(cluster, deployment)
    assert not set(new) & set(rows)
    product.command(gui.desk, "refresh")
    tshark = Tshark(gui.desk)
    listed = tshark.run("-D")
    assert new[0] in listed.stdout
    captured = tshark.run("-i", new[0], "-c", "3")
    assert (listed.returncode, captured.returncode) == (0, 0)
    assert "No such preference" not in listed.stderr + captured.stderr + listed.stdout + captured.stdout
    window.close_file()
    window.wait_for_row(rows[0])
    window.rescan()
    window.wait_for_row(new[0])
    assert window.open_options(new[0]).value("Snapshot length") == str(1000 + DIALOGS - 1)
