"""The command line's capture of a pod of the real cluster, while something happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from testbed.cluster.handle import Cluster, PodInfo
from testbed.wait import until

FLOWING = 2000  # bytes: more than the headers of a file, some packets


def talking(cluster: Cluster, namespace: str, node: str) -> PodInfo:
    """A pod that talks to itself and ends when it is asked to."""
    body = f"""
apiVersion: v1
kind: Pod
metadata: {{name: again, namespace: {namespace}}}
spec:
  nodeSelector: {{kubernetes.io/hostname: {node}}}
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: {cluster.image("tcpdump")}
    command: [/bin/traffic, "10.96.0.81", "80", "20"]
"""
    cluster.kubectl("apply", "-f", "-", stdin=body)
    return cluster.wait_ready("again", namespace)


class Capture:
    """Of a pod that talks, into a file; `end` stops it as a person does."""

    def __init__(self, kubeconfig: Path, home: Path, pod: PodInfo, *options: str) -> None:
        self.file = home / "out.pcapng"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "k8s_extcap", "capture", f"{pod.namespace}/{pod.name}", *options, "-w", self.file],
            env={**os.environ, "K8S_EXTCAP_HOME": str(home), "KUBECONFIG": str(kubeconfig)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def grows(self, more: int = FLOWING) -> bool:
        before = self.size
        return until(lambda: self.size > before + more or self.process.poll() is not None, 60) and self.running

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, said
        return said
