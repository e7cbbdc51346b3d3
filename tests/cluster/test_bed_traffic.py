"""The real cluster carries traffic as a cluster does: exec, Service translation, both nodes, both IP families."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from testbed.cluster.handle import Cluster
from testbed.images import recipes

pytestmark = pytest.mark.cluster
SERVICE = "10.96.0.80"


def fetch(cluster: Cluster, pod: str, address: str) -> str:
    # `timeout`, not wget -T: that option of Debian's static busybox crashes.
    return cluster.kubectl("exec", "-n", "team", pod, "--", "timeout", "5", "wget", "-qO-", f"http://{address}/")


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_exec_passes_streams_and_exit_status(cluster: Cluster, node: str) -> None:
    pod = cluster.pod(f"client-{node}")
    script = "cat; echo problem >&2; exit 7"
    said = cluster.kubectl(
        "exec", "-i", "-n", pod.namespace, pod.name, "--", "sh", "-c", script, stdin="in and out\n", check=False
    )
    assert "in and out" in said
    assert "problem" in said
    assert "exit code 7" in said


def test_the_nodes_run_both_generations_of_containerd(cluster: Cluster) -> None:
    cluster.need_bed("choice of runtimes")
    assert {node.name: re.sub(r"\.\d+\D*$", "", node.runtime) for node in cluster.nodes} == {
        "n1": "containerd://1.6",
        "n2": "containerd://2.1",
    }


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_service_address_is_balanced_over_the_pods_of_both_nodes(cluster: Cluster, node: str) -> None:
    cluster.need_bed("catalogue")
    pods = cluster.pods("app=web")
    assert {pod.node for pod in pods} == {"n1", "n2"}
    loop = f"for i in $(seq 40); do timeout 5 wget -qO- http://{SERVICE}/; done"
    said = cluster.kubectl("exec", "-n", "team", f"idle-{node}", "--", "sh", "-c", loop)
    servers = Counter(line.split()[2].rstrip(":") for line in said.splitlines())
    assert servers.total() == 40
    assert set(servers) == {pod.name for pod in pods}


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_pods_reach_pods_of_the_other_node_over_both_families(cluster: Cluster, node: str) -> None:
    cluster.need_bed("catalogue")
    servers = [pod for pod in cluster.pods("app=web") if pod.node != node]
    addresses = servers[0].ips
    assert [":" in address for address in addresses] == [False, True]
    for address in addresses:
        host = f"[{address}]" if ":" in address else address
        assert servers[0].name in fetch(cluster, f"idle-{node}", f"{host}:8080")


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_one_request_is_ten_packets(cluster: Cluster, node: str) -> None:
    """The silent pod's capture has exactly our request: what the bed's promise to counting tests is worth."""
    pod = cluster.pod(f"idle-{node}")
    web = cluster.pods("app=web")[0].ip
    root = " ".join(recipes.stays_root())
    script = (
        f"tcpdump {root} -U --immediate-mode -ni eth0 -w /tmp/x tcp port 8080 2>/tmp/err & "
        f"until grep -q listening /tmp/err; do sleep 0.1; done; timeout 5 wget -qO- http://{web}:8080/ >/dev/null; "
        f"sleep 1; kill $!; wait; tcpdump {root} -nr /tmp/x 2>/dev/null | wc -l; rm /tmp/x /tmp/err"
    )
    count = int(cluster.kubectl("exec", "-n", "team", pod.name, "--", "sh", "-c", script))
    assert 10 <= count <= 12  # an extra ACK now and then


@pytest.mark.parametrize("name", ["client-n1", "client-n2", "tcpdump-n1", "tcpdump-n2"])
def test_clients_get_their_answers(cluster: Cluster, name: str) -> None:
    pod = cluster.pod(name)
    said = cluster.kubectl("logs", "-n", pod.namespace, pod.name)
    assert said.splitlines()[-1].endswith("answered")
