"""The far side of a capture, seen from this machine: the test bed's nodes are here, so /proc shows what runs in a pod
and what lies in its folders. Shares nothing with the product and its clean-up.
"""

from __future__ import annotations

import os
from pathlib import Path

from testbed.cluster.handle import Cluster, NotHereError, PodInfo
from testbed.wait import until

OURS = ("tcpdump", "k8s-extcap", "nsx")


def processes(container_id: str) -> dict[int, str]:
    """Process number on this machine -> command line, of everything in that container, ephemeral exec or not."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if container_id in (entry / "cgroup").read_text():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
    return found


def container_id(cluster: Cluster, pod: PodInfo, container: str = "") -> str:
    told = cluster.get("pod", pod.name, "-n", pod.namespace)
    every = told["status"].get("containerStatuses", []) + told["status"].get("ephemeralContainerStatuses", [])
    status = next(s for s in every if not container or s["name"] == container)
    return str(status["containerID"]).partition("://")[2]


class FarSide:
    """One container seen from this machine. NotHereError where its node is not here."""

    def __init__(self, cluster: Cluster, pod: PodInfo, container: str = "") -> None:
        self.id = container_id(cluster, pod, container)
        running = processes(self.id)
        if not running:
            raise NotHereError("the node of this pod is on another machine, so nobody can look into it from here")
        self.pid = next(pid for pid in running if _first(pid))

    def ours(self) -> list[str]:
        """Our processes in it: guard, tcpdump, and what the guard started."""
        return [line for line in processes(self.id).values() if any(word in line for word in OURS)]

    def capturing(self) -> bool:
        """Whether a tcpdump of ours runs: not the guard that has its words too, nor the look that tries one (no -B)."""
        return any(line.split()[0].endswith("tcpdump") and " -B " in line for line in self.ours())

    def files(self) -> list[str]:
        """Files of ours in every place that an upload may take."""
        root = Path(f"/proc/{self.pid}/root")
        return [str(f) for d in ("tmp", "dev", "", "dev/shm", "var/tmp") for f in (root / d).glob("k8s-extcap*")]

    def inside(self) -> list[str]:
        """Prefix of a command that shall run in the pod's network namespace."""
        return ["nsenter", "-t", str(self.pid), "-n"]

    def gone(self, seconds: float) -> bool:
        return until(lambda: not self.ours() and not self.files(), seconds)


def _first(pid: int) -> bool:
    """Whether it is the container's own process, number 1 there; an exec comes and goes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return status.partition("NSpid:")[2].partition("\n")[0].split()[-1] == "1"


def children(pid: int) -> list[int]:
    """All descendants of a process, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found, wave = [], {pid}
    while wave:
        wave = {p for p, parent in parents.items() if parent in wave}
        found += sorted(wave)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
