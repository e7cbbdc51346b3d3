"""The blows, each as what it does to one capture, what puts it right afterwards, and what may be expected of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster import cgroups
from testbed.matrix.berth import CONTAINER, POD
from testbed.matrix.results import ROOT
from testbed.matrix.scene import Scene

LEASE = 20.0  # seconds of silence after which the guard ends a capture
BEYOND = 32.0  # seconds that a silence lasts here
REVOKED = 11.0  # seconds for which the API server remembers a token that was good
HELPED = ("nsenter", "copy")  # methods with a pod of their own, which can be evicted


def nothing(_scene: Scene) -> None:
    return


@dataclass(frozen=True, slots=True)
class Blow:
    """`hold` seconds pass between `strike` and `restore`; `silent`: the far side must end by itself meanwhile.
    `kills`: the capture is dead at once. `shared`: it falls on everybody on the bed, so once for all captures there.
    `helped`: only where there is a helper. `leaves`: what may stay for the next clean-up, fields of Left.
    """

    name: str
    strike: Callable[[Scene], None]
    restore: Callable[[Scene], None] = nothing
    hold: float = 0.0
    silent: bool = False
    kills: bool = False
    shared: bool = False
    helped: bool = False
    leaves: tuple[str, ...] = ()


def _group(number: signal.Signals) -> Callable[[Scene], None]:
    return lambda scene: scene.signal(number, group=True)


def _reader(scene: Scene) -> None:
    assert scene.reader is not None
    scene.reader.kill()
    scene.reader.wait()


def _delete_pod(scene: Scene) -> None:
    scene.ground.cluster.kubectl("delete", "pod", POD, "-n", scene.berth.namespace, "--wait=false")


def _restart_container(scene: Scene) -> None:
    """Its first process is killed from outside, as the kernel's memory killer would."""
    pod = scene.ground.cluster.get("pod", POD, "-n", scene.berth.namespace)
    status = next(s for s in pod["status"]["containerStatuses"] if s["name"] == CONTAINER)
    wanted = status["containerID"].partition("://")[2]
    for process in scene.ground.census.fresh():
        if wanted in process.group and process.line.startswith("/bin/traffic"):
            os.kill(process.pid, signal.SIGKILL)


def _evict(scene: Scene) -> None:
    """By the eviction API, as a drain of the node does it."""
    space = scene.berth.namespace
    for pod in scene.ground.cluster.get("pods", "-n", space)["items"]:
        name = pod["metadata"]["name"]
        if name != POD:
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": space}}
            path = f"/api/v1/namespaces/{space}/pods/{name}/eviction"
            scene.ground.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


def _revoke(scene: Scene) -> None:
    scene.berth.revoke()
    time.sleep(REVOKED)


def _daemon(*names: str) -> Callable[[Scene], None]:
    """Killed, and started anew as a service manager would."""

    def restart(scene: Scene) -> None:
        words = [sys.executable, "-m", "testbed.cluster", "--bed", str(scene.ground.bed.number), "restart", *names]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode:
            raise RuntimeError(f"{' '.join(names)} did not come back: {done.stderr.strip()[-300:]}")

    return restart


def freezers(scene: Scene) -> list[tuple[Path, str, str]]:
    """Of both nodes: the file, what freezes, what thaws (cgroup v1's freezer, or v2's cgroup.freeze)."""
    bed = scene.ground.bed
    if cgroups.is_v2():
        return [(cgroups.ROOT / node.host_name / "cgroup.freeze", "1", "0") for node in bed.nodes()]
    folder = cgroups.ROOT / "freezer"
    return [(folder / node.host_name / "freezer.state", "FROZEN", "THAWED") for node in bed.nodes()]


def freeze_all(scene: Scene) -> None:
    """A laptop with its own cluster falls asleep: nodes, pods and clients stand still together. The clients' own halves
    are in `freeze_client`.
    """
    for file, word, _ in freezers(scene):
        file.write_text(word)


def thaw_all(scene: Scene) -> None:
    for file, _, word in freezers(scene):
        file.write_text(word)


def freeze_client(scene: Scene) -> None:
    scene.gate.freeze()
    scene.signal(signal.SIGSTOP, group=True)


def thaw_client(scene: Scene) -> None:
    scene.signal(signal.SIGCONT, group=True)
    scene.gate.thaw()


KILL = Blow("SIGKILL", lambda scene: scene.signal(signal.SIGKILL), kills=True)
GROUP = Blow("SIGKILL of the process group", _group(signal.SIGKILL), kills=True)
READER = Blow("FIFO reader killed", _reader)
STOPPED = Blow("SIGSTOP beyond the lease", _group(signal.SIGSTOP), _group(signal.SIGCONT), BEYOND, silent=True)
BLACK_HOLE = Blow("black hole", lambda scene: scene.gate.freeze(), lambda scene: scene.gate.thaw(), BEYOND, silent=True)
API = Blow("API server killed and restarted", _daemon("apiserver"), shared=True)
DELETED = Blow("target pod deleted", _delete_pod)
RESTARTED = Blow("container restarted", _restart_container)
FROZEN = Blow("everything frozen and thawed", freeze_all, thaw_all, BEYOND, shared=True)
RESET = Blow("RST", lambda scene: scene.gate.reset())

BLOWS = (
    Blow("SIGTERM", lambda scene: scene.signal(signal.SIGTERM)),
    KILL,
    GROUP,
    STOPPED,
    READER,
    Blow("TCP FIN", lambda scene: scene.gate.fin()),
    RESET,
    BLACK_HOLE,
    API,
    Blow("kubelet restarted", _daemon("kubelet"), shared=True),
    Blow("containerd restarted", _daemon("containerd"), shared=True),
    DELETED,
    RESTARTED,
    Blow("helper evicted", _evict, helped=True),
    FROZEN,
    Blow("credentials revoked", _revoke, leaves=("journals", "ended")),
)
