"""Kill a daemon of a running bed and start it anew with the same words, as a service manager would."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from testbed.cluster import cgroups, down, state
from testbed.cluster.api import Api
from testbed.cluster.bed import Bed, Node
from testbed.cluster.errors import BedError
from testbed.cluster.lock import only_one
from testbed.cluster.node import enter
from testbed.cluster.processes import belonging, spawn, wait_until

#: Name for people -> program. Each runs on every node that has it.
PROGRAMS = {"apiserver": "kube-apiserver", "kubelet": "kubelet", "containerd": "containerd"}


def restart(bed: Bed, names: list[str]) -> None:
    """SIGKILL to each, then until it serves again. BedError where it does not."""
    wanted = state.read(bed)
    if not wanted:
        raise BedError(f"bed {bed.number} is not up: python -m testbed.cluster --bed {bed.number} up")
    with only_one(down.lock_of(bed), wait=60):
        api = Api(bed)
        for name in names:
            for node in bed.nodes(wanted.nodes):
                for pid in _running(bed, node, PROGRAMS[name]):
                    _again(bed, node, name, pid)
        wait_until(api.ready, "the API server", 120)
        for node in bed.nodes(wanted.nodes):
            # The node's own word through its kubelet, which asks its runtime.
            path = f"/api/v1/nodes/{node.name}/proxy/healthz"
            wait_until(lambda path=path: api.text(path) == "ok", f"the kubelet of {node.name}", 60)  # type: ignore[misc]
            if "containerd" in names:
                wait_until(lambda node=node: _answers(bed, node), f"containerd of {node.name}", 60)  # type: ignore[misc]


def _running(bed: Bed, node: Node, program: str) -> list[int]:
    """Daemons of that name in the node's own network, by the file that they run."""
    inode = node.netns.stat().st_ino
    found = []
    for pid in belonging(bed):
        try:
            same = Path(f"/proc/{pid}/ns/net").stat().st_ino == inode
            if same and Path(f"/proc/{pid}/exe").readlink().name == program:
                found.append(pid)
        except OSError:
            continue  # it ended meanwhile
    return found


def _again(bed: Bed, node: Node, name: str, pid: int) -> None:
    argv = [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
    program = Path(f"/proc/{pid}/exe").readlink()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name} on {node.name}", 20)
    log = bed.logs / f"{node.name}-{name}.log"
    path_first = program.parent if name == "containerd" else None  # its shim is beside it
    words = [*enter(bed, node), *argv]
    started = spawn(bed, words, log, path_first=path_first, join=cgroups.joins(node.host_name))
    started.returncode = 0  # it is meant to outlive us: no warning from the standard library


def _answers(bed: Bed, node: Node) -> bool:
    """The runtime lists its containers through the socket that its kubelet uses."""
    pids = _running(bed, node, "containerd")
    if not pids:
        return False
    ctr = Path(f"/proc/{pids[0]}/exe").readlink().parent / "ctr"
    words = [*enter(bed, node), str(ctr), "version"]
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0
