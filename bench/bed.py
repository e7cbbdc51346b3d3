"""The pods that are measured: a namespace of the benchmark's own on the real cluster, with a pod on each node."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

from testbed.cluster import state
from testbed.cluster.bed import CURRENT, default_bed
from testbed.cluster.handle import Cluster, PodInfo, nodes_of
from testbed.far import FarSide


class Place(NamedTuple):
    """A pod with a stock tcpdump that sends nothing by itself, its inside, and the address of its peer."""

    pod: PodInfo
    far: FarSide
    peer: str
    runtime: str

    def __str__(self) -> str:
        return f"{self.pod.node} ({self.runtime})"


def cluster() -> Cluster:
    bed = default_bed()
    if state.read(bed) is None:
        sys.exit("bench: the test cluster is not up. Run: python -m testbed.cluster up")
    kubectl = bed.binaries(CURRENT) / "kubectl"
    return Cluster(bed.kubeconfig, kubectl, nodes_of(kubectl, bed.kubeconfig), "bench")


@contextlib.contextmanager
def places(real: Cluster) -> Iterator[tuple[Place, ...]]:
    """One for each node. They are fresh, since each ephemeral container stays in its pod's spec."""
    namespace = real.new_namespace("bench")
    try:
        for node in real.nodes:
            real.kubectl("create", "-n", namespace, "-f", "-", stdin=_pod(node.name, real.image("tcpdump")))
        pods = [real.wait_ready(node.name, namespace) for node in real.nodes]
        runtimes = {node.name: node.runtime.replace("://", " ") for node in real.nodes}
        yield tuple(
            Place(pod, FarSide(real, pod), pods[number - 1].ip, runtimes[pod.node]) for number, pod in enumerate(pods)
        )
    finally:
        real.delete_namespace(namespace)


def _pod(node: str, image: str) -> str:
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "app", "image": image, "command": ["/bin/sleep", "1000000"]}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": node}, "spec": spec})
