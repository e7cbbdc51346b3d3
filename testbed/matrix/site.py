"""Where the cells run: a bed, namespaces of ours in it, and pods that are made when first asked for."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from testbed.cluster import state
from testbed.cluster.api import Api
from testbed.cluster.bed import Bed
from testbed.cluster.errors import BedError
from testbed.cluster.handle import Cluster, PodInfo, nodes_of
from testbed.matrix import pods
from testbed.truth import launch
from testbed.truth.launch import sender

RATE = 20  # packets a second into a pod that has none of its own: three come within a second


@dataclass(frozen=True)
class Site:
    """One bed with our namespaces. `work` is a folder that goes with it."""

    bed: Bed
    cluster: Cluster
    api: Api
    work: Path
    kubernetes: str
    made: dict[tuple[str, str], PodInfo] = field(default_factory=dict)

    def runtime(self, node: str) -> str:
        return next(n.runtime.replace("://", " ").partition("+")[0] for n in self.cluster.nodes if n.name == node)

    def kubelet(self, node: str) -> str:
        return next(n.kubelet for n in self.cluster.nodes if n.name == node)

    def pod(self, kind: pods.Kind, node: str) -> PodInfo:
        """The pod of that kind on that node; a fresh one the first time in this run."""
        place = (kind.title, node)
        if place not in self.made:
            name = f"{kind.pod}{'-tainted' if kind.tainted else ''}-{node}"
            self._delete(name, kind.namespace)
            self.cluster.kubectl("create", "-f", "-", stdin=json.dumps(pods.body(self.bed, kind, node, name)))
            self.made[place] = self.cluster.wait_ready(name, kind.namespace)
        return self.made[place]

    def forget(self, kind: pods.Kind, node: str) -> None:
        """The next `pod` makes it anew: entries of ephemeral containers go only with their pod."""
        found = self.made.pop((kind.title, node), None)
        if found:
            self._delete(found.name, found.namespace)

    def scrub(self) -> None:
        """After a failed cell: what it left must not count as the next one's."""
        for namespace in pods.NAMESPACES:
            words = ("jobs,pods", "-n", namespace, "-l", "app.kubernetes.io/managed-by=k8s-extcap", "--wait=true")
            self.cluster.kubectl("delete", *words, check=False)
        for found in self.made.values():
            self._delete(found.name, found.namespace)
        self.made.clear()

    def restarts(self, pod: PodInfo) -> int:
        """How often its containers were started again: a capture must never be the reason for one."""
        status = self.cluster.get("pod", pod.name, "-n", pod.namespace)["status"]
        every = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
        return sum(int(c["restartCount"]) for c in every)

    def _delete(self, name: str, namespace: str) -> None:
        self.cluster.kubectl("delete", "pod", name, "-n", namespace, "--ignore-not-found", "--wait=true")

    @contextmanager
    def traffic(self, node: str, address: str, rate: int = RATE) -> Iterator[None]:
        """Datagrams to that address, from the node's own network."""
        number = int(node.removeprefix("n"))
        inside = ["nsenter", f"--net={self.bed.node(number).netns}"]
        running = launch.Running(launch.Flow("udp", address, rate=rate), inside)
        try:
            yield
        finally:
            running.process.terminate()
            running.process.communicate()

    @contextmanager
    def traffic_to_copies(self, node: str, namespace: str) -> Iterator[None]:
        """The same to every pod of ours that appears there: a copy of a silent pod is as silent."""
        over = threading.Event()

        def watch() -> None:
            path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dk8s-extcap"
            sending: dict[str, launch.Running] = {}
            inside = ["nsenter", f"--net={self.bed.node(int(node[1:])).netns}"]
            while not over.wait(0.5):
                for item in self.api.items(path):
                    address = item["status"].get("podIP")
                    if address and address not in sending:
                        sending[address] = launch.Running(launch.Flow("udp", address, rate=RATE), inside)
            for running in sending.values():
                running.process.terminate()
                running.process.communicate()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def site(bed: Bed) -> Iterator[Site]:
    """The bed must be up. Our namespaces are made where missing, and deleted afterwards with all that is in them."""
    running = state.read(bed)
    if not running:
        raise BedError(f"bed {bed.number} is not up: python -m testbed.cluster --bed {bed.number} up")
    kubectl = bed.binaries(running.kubernetes) / "kubectl"
    cluster = Cluster(bed.kubeconfig, kubectl, nodes_of(kubectl, bed.kubeconfig), pods.PLAIN)
    sender()  # compiled before the first cell, not in it
    work = Path(tempfile.mkdtemp(prefix="k8s-extcap-matrix-", dir="/tmp"))
    try:
        _namespaces(cluster)
        yield Site(bed, cluster, Api(bed), work, running.kubernetes)
    finally:
        for name in pods.NAMESPACES:
            cluster.delete_namespace(name)
        shutil.rmtree(work, ignore_errors=True)


def _namespaces(cluster: Cluster) -> None:
    for name in pods.NAMESPACES:  # those of a run that was killed may be on their way out
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true", timeout=120)
    for name, level in pods.NAMESPACES.items():
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
    over = time.monotonic() + 30
    while missing := [name for name in pods.NAMESPACES if not _account(cluster, name)]:
        if time.monotonic() > over:
            raise BedError(f"no service account in {', '.join(missing)} after 30 s: the controllers are stuck")
        time.sleep(0.2)


def _account(cluster: Cluster, namespace: str) -> str:
    """Before it is there, every pod is refused. (`kubectl wait --for=create` came with 1.31.)"""
    return cluster.kubectl("get", "serviceaccount", "default", "-n", namespace, "--ignore-not-found", "-o", "name")
