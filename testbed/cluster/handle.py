"""A running cluster as tests see it: kubeconfigs, nodes, pods, and the real kubectl."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cluster.errors import BedError


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """`runtime` as Kubernetes tells it: "containerd://1.6.20"."""

    name: str
    kubelet: str
    runtime: str


@dataclass(frozen=True, slots=True)
class PodInfo:
    """What a test asks of a pod. `ips` has the IPv6 address second, where there is one."""

    namespace: str
    name: str
    uid: str
    node: str
    ip: str
    ips: tuple[str, ...]
    phase: str
    containers: tuple[str, ...]


class NotHereError(Exception):
    """This cluster does not have what a test wants: the fixture turns it into a skip with the reason."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`given`: somebody else's, by K8S_EXTCAP_TEST_KUBECONFIG; then there is no node access and no catalogue.

    `namespace` is a namespace of the tests' own, removed at the end of the session.
    """

    kubeconfig: Path
    kubectl_path: Path
    nodes: tuple[NodeInfo, ...]
    namespace: str
    images: str = "localhost"
    given: bool = False

    @property
    def admin(self) -> Path:
        return self.kubeconfig

    @property
    def dev(self) -> Path:
        """One namespace only (`team`): pods get, list; pods/exec get, create."""
        return self._of_the_bed("kubeconfig-dev", "a user `dev`")

    @property
    def nolist(self) -> Path:
        """As dev, but may not list pods."""
        return self._of_the_bed("kubeconfig-nolist", "a user `nolist`")

    def _of_the_bed(self, file: str, what: str) -> Path:
        if self.given:
            raise NotHereError(f"the cluster of K8S_EXTCAP_TEST_KUBECONFIG has not {what} of the test bed")
        return self.kubeconfig.with_name(file)

    def need_bed(self, what: str) -> None:
        """Skip the test on somebody else's cluster, because it needs WHAT."""
        if self.given:
            raise NotHereError(
                f"the cluster of K8S_EXTCAP_TEST_KUBECONFIG gives no {what}; the test bed of its own does"
            )

    def kubectl(
        self,
        *args: str,
        kubeconfig: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> str:
        """Run the real kubectl; its standard output. `check=False`: output and error text, whatever the status."""
        done = subprocess.run(
            [self.kubectl_path, "--kubeconfig", kubeconfig or self.kubeconfig, *args],
            input=stdin, capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        if not check:
            return done.stdout + done.stderr
        if done.returncode:
            raise BedError(f"kubectl {' '.join(args)[:200]} ended with {done.returncode}: {done.stderr.strip()[:400]}")
        return done.stdout

    def get(self, *args: str) -> dict[str, Any]:
        """`kubectl get ARGS -o json`, decoded."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *args, "-o", "json"))
        return found

    def pod(self, name: str, namespace: str = "") -> PodInfo:
        """A pod by name; without a namespace it is looked for in `team`, then `hard`, then our own."""
        if self.given:
            name, namespace = name.removesuffix("-n1"), namespace or self.namespace
        for place in (namespace,) if namespace else ("team", "hard", self.namespace):
            text = self.kubectl("get", "pod", name, "-n", place, "--ignore-not-found", "-o", "json")
            if text:
                return pod_info(json.loads(text))
        if self.given:
            raise NotHereError(f"the cluster of K8S_EXTCAP_TEST_KUBECONFIG has no pod {namespace}/{name}")
        raise BedError(f"no pod {name} in {namespace or 'team, hard or the own namespace'}: see kubectl get pods -A")

    def pods(self, selector: str, namespace: str = "team") -> tuple[PodInfo, ...]:
        items = self.get("pods", "-n", namespace, "-l", selector)["items"]
        return tuple(sorted(map(pod_info, items), key=lambda pod: pod.name))

    def wait_ready(self, name: str, namespace: str, seconds: int = 60) -> PodInfo:
        self.kubectl("wait", "-n", namespace, "--for=condition=Ready", f"pod/{name}", f"--timeout={seconds}s",
                     timeout=seconds + 10)  # fmt: skip
        return self.pod(name, namespace)

    def image(self, name: str) -> str:
        return f"{self.images}/{name}:1"

    @contextmanager
    def tainted(self, node: str = "n2") -> Iterator[None]:
        """The node refuses new pods that do not tolerate `testbed` (NoSchedule: nothing that runs is disturbed)."""
        self.need_bed("right to taint a node")
        self.kubectl("taint", "node", node, "testbed=tainted:NoSchedule", "--overwrite")
        try:
            yield
        finally:
            self.kubectl("taint", "node", node, "testbed-", check=False)

    def new_namespace(self, prefix: str = "test") -> str:
        """A fresh namespace in which pods can be made: its default service account is waited for."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.kubectl("create", "namespace", name)
        until = time.monotonic() + 30
        while not self.kubectl("get", "serviceaccount", "default", "-n", name, "--ignore-not-found"):
            if time.monotonic() > until:
                raise BedError(
                    f"namespace {name} got no default service account within 30 s: the controllers are stuck"
                )
            time.sleep(0.1)
        return name

    def delete_namespace(self, name: str) -> None:
        self.kubectl("delete", "namespace", name, "--wait=false", check=False)


def pod_info(pod: dict[str, Any]) -> PodInfo:
    meta, spec, status = pod["metadata"], pod["spec"], pod["status"]
    return PodInfo(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        ip=status.get("podIP", ""),
        ips=tuple(entry["ip"] for entry in status.get("podIPs") or ()),
        phase=status.get("phase", ""),
        containers=tuple(container["name"] for container in spec["containers"]),
    )


def nodes_of(kubectl_path: Path, kubeconfig: Path) -> tuple[NodeInfo, ...]:
    """Empty where the user may not list nodes, which is usual on a cluster that was given."""
    done = subprocess.run(
        [kubectl_path, "--kubeconfig", kubeconfig, "get", "nodes", "-o", "json"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if done.returncode:
        return ()
    nodes = ((item["metadata"]["name"], item["status"]["nodeInfo"]) for item in json.loads(done.stdout)["items"])
    return tuple(NodeInfo(name, info["kubeletVersion"], info["containerRuntimeVersion"]) for name, info in nodes)
