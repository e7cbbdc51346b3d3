"""A berth: a namespace with one pod and one user, in which one capture at a time is struck."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from testbed.cluster.api import Api
from testbed.cluster.bed import Bed
from testbed.cluster.handle import Cluster, PodInfo
from testbed.matrix import tree
from testbed.matrix.census import Census
from testbed.matrix.pods import PREFIX

NODES = ("n1", "n2")
POD, CONTAINER, USER = "target", "app", "client"
STARTING = 5  # captures that start at the same moment: each takes one to two seconds of a core
HELPER = "helper"  # the image of helper pods and of ephemeral containers


@dataclass(frozen=True)
class Ground:
    """A bed, what is asked of it directly, and the product: as it is, and with short waits where minutes would do."""

    bed: Bed
    cluster: Cluster
    api: Api
    work: Path
    plain: Path
    quick: Path
    census: Census = field(default_factory=Census)
    starting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(STARTING))

    def tree(self, method: str) -> Path:
        return self.quick if method == "ephemeral" else self.plain


@contextmanager
def ground(bed: Bed, cluster: Cluster) -> Iterator[Ground]:
    work = Path(tempfile.mkdtemp(prefix="k8s-extcap-struck-", dir="/tmp"))
    try:
        plain = tree.plant(work / "product")
        quick = tree.plant(work / "quick", tree.QUICK)
        yield Ground(bed, cluster, Api(bed), work, plain, quick)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Berth:
    """`pod` is fresh unless the cell before left it as it was. A berth belongs to one node."""

    def __init__(self, ground: Ground, number: int, node: str) -> None:
        self.ground, self.number, self.node = ground, number, node
        self.namespace = ground.cluster.new_namespace(f"{PREFIX}-{number}")
        self.folder = ground.work / f"berth{number}"
        self.folder.mkdir(mode=0o700)
        self._pod: PodInfo | None = None
        self._token = ""

    @property
    def pod(self) -> PodInfo:
        """The target."""
        if self._pod is None:
            cluster = self.ground.cluster
            words = ("pod", POD, "-n", self.namespace, "--ignore-not-found", "--grace-period=0", "--force")
            cluster.kubectl("delete", *words, check=False, timeout=120)
            cluster.kubectl("create", "-n", self.namespace, "-f", "-", stdin=json.dumps(self._body()))
            self._pod = cluster.wait_ready(POD, self.namespace, 120)
        return self._pod

    def _body(self) -> dict[str, object]:
        """Five connections a second to its own node, where nobody listens: packets enough, and hardly any work."""
        node = self.ground.bed.node(NODES.index(self.node) + 1)
        container = {
            "name": CONTAINER,
            "image": self.ground.cluster.image("tcpdump"),
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/traffic", node.address, "9", "5"],
        }
        spec = {
            "containers": [container],
            "nodeSelector": {"kubernetes.io/hostname": self.node},
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}

    def spoil(self) -> None:
        """The next cell gets a fresh pod."""
        self._pod = None

    def scrub(self) -> None:
        """What else is in the namespace goes too."""
        words = ("delete", "jobs,pods", "-n", self.namespace, "--all", "--grace-period=0", "--force")
        self.ground.cluster.kubectl(*words, check=False, timeout=120)

    def restarts(self) -> int:
        status = self.ground.cluster.get("pod", POD, "-n", self.namespace)["status"]
        return sum(int(c["restartCount"]) for c in status.get("containerStatuses", ()))

    def token(self) -> str:
        """Of the user, who may do everything until `revoke`."""
        if not self._token:
            kubectl = self.ground.cluster.kubectl
            kubectl("create", "serviceaccount", USER, "-n", self.namespace)
            bind = ("clusterrolebinding", self.namespace, "--clusterrole=cluster-admin")
            kubectl("create", *bind, f"--serviceaccount={self.namespace}:{USER}", check=False)
            self._token = kubectl("create", "token", USER, "-n", self.namespace, "--duration=4h").strip()
        return self._token

    def revoke(self) -> None:
        """Its token is worth nothing: at once for the server, which remembers a good one for ten seconds."""
        self.ground.cluster.kubectl("delete", "serviceaccount", USER, "-n", self.namespace)
        self._token = ""

    def kubeconfig(self, port: int) -> Path:
        """Through the gate at `port`. It has a client's key too, so that there is one that could be left behind."""
        pki = self.ground.bed.pki

        def inline(name: str) -> str:
            return base64.b64encode((pki / name).read_bytes()).decode()

        user = {
            "token": self.token(),
            "client-certificate-data": inline("dev.crt"),
            "client-key-data": inline("dev.key"),
        }
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": inline("ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "user", "namespace": self.namespace}}],
            "current-context": "bed",
        }
        file = self.folder / "kubeconfig"
        file.touch(0o600)
        file.write_text(yaml.safe_dump(config))
        return file

    def close(self) -> None:
        self.ground.cluster.delete_namespace(self.namespace)
        self.ground.cluster.kubectl("delete", "clusterrolebinding", self.namespace, "--wait=false", check=False)


@contextmanager
def berths(place: Ground, count: int) -> Iterator[list[Berth]]:
    """Half of them on each node."""
    with ExitStack() as stack:
        made = [Berth(place, number, NODES[number % len(NODES)]) for number in range(count)]
        for berth in made:
            stack.callback(berth.close)
        yield made


def environment(home: Path, kubeconfig: Path) -> dict[str, str]:
    """All that a capture may write lies below `home`: its state, the user's home, temporary files."""
    places = {"HOME": "user", "TMPDIR": "tmp", "XDG_RUNTIME_DIR": "run", "K8S_EXTCAP_HOME": "own"}
    for folder in places.values():
        (home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "K8S_", "PYTHON"))}
    own = {name: str(home / folder) for name, folder in places.items()}
    return {**kept, **own, "KUBECONFIG": str(kubeconfig)}
