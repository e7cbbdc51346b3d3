"""Looks into a pod by means of its own, to see whether a capture left anything: shares no code with its clean-up."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from kubernetes import client, config
from kubernetes.stream import stream

from k8s_extcap.model import ids
from script.place import Place

# One line for each process: its name. And the files of those folders that a capture may write to.
LOOK = "cat /proc/[0-9]*/comm; ls -d /tmp/* /dev/shm/* /var/tmp/* 2>/dev/null"
SECONDS = 10


def elsewhere(where: Place) -> list[ids.Name]:
    """Running pods of any namespace, the system's own last; nothing where they may not be listed."""
    api = client.CoreV1Api(config.new_client_from_config(where.kubeconfig, where.context))
    try:
        found = api.list_pod_for_all_namespaces(field_selector="status.phase=Running", limit=50)
    except client.ApiException:
        return []
    pods: list[Any] = [pod.metadata for pod in found.items]
    pods.sort(key=lambda pod: (pod.namespace.startswith("kube-"), pod.namespace, pod.name))
    return [ids.Name("pod", pod.namespace, pod.name) for pod in pods]


class Inside:
    """A pod seen through its own shell."""

    def __init__(self, where: Place, interface: str) -> None:
        name = ids.parse(interface)
        assert name is not None, interface
        self.name = name
        self.api = client.CoreV1Api(config.new_client_from_config(where.kubeconfig, where.context))

    def traces(self) -> list[str] | None:
        """Capture programs and temporary files in the pod; None where it has no shell to ask."""
        call: Any = self.api.connect_get_namespaced_pod_exec
        try:
            said = stream(
                call,
                self.name.name,
                self.name.namespace,
                command=["sh", "-c", LOOK],
                stdout=True,
                stderr=False,
                _request_timeout=SECONDS,
            )
        except client.ApiException:
            return None
        return [line for line in str(said).split("\n") if line.startswith("/") or "tcpdump" in line]

    def verdict(self, before: list[str] | None) -> str:
        """A line for people, made from looking again: until nothing new is there, at most two seconds."""
        for _ in range(4):
            after = self.traces()
            if before is None or after is None:
                return f"  ?     {self.name.spoken()} has no shell to look around in with"
            left = Counter(after) - Counter(before)
            if not left:
                return f"  gone  the capture in {self.name.spoken()}: no process and no file of it is there"
            time.sleep(0.5)
        return f"  LEFT  in {self.name.spoken()}: {', '.join(left)}"
