"""Which cluster the demo shows: the user's own if it answers and is agreed to, else a small one on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from k8s_extcap.kube.connect import connect, contexts
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.model.request import Connection
from testbed.demo import DemoCluster, Mode

# Long enough for a cluster across the world and a credential plugin, short enough for a demo to go on without.
ANSWER_SECONDS = 5.0

MODES = {
    Mode.ROOT: "its pods are real processes in network namespaces",
    Mode.USERNS: "its pods are real processes in network namespaces of a user namespace, as you are not root",
    Mode.REPLAY: "this machine allows no network namespaces, so its pods REPLAY RECORDED PACKETS in real time",
}


class Place(NamedTuple):
    """A cluster to look at. `favourite` is how the name of the most instructive pod begins, where we know it."""

    kubeconfig: str
    context: str
    own: bool
    favourite: str = ""


def answering(folder: Path) -> tuple[Place | None, str]:
    """The user's current cluster if it answers, and a sentence about it in any case."""
    kubeconfig = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    if not any(Path(path).exists() for path in kubeconfig.split(os.pathsep) if path):
        return None, f"You have no cluster at hand (no kubeconfig at {kubeconfig})."
    try:
        current = contexts().current
        connection = Connection(context=current, timeout=ANSWER_SECONDS)
        session = connect(
            connection, cache=str(folder), keys=lambda: f"{folder}/keys/demo", interactive=sys.stdin.isatty()
        )
        session.api.get("/version")
    except ExtcapError as error:
        return None, f"Your current cluster cannot be used: {error.sentence}"
    return Place(kubeconfig, current, own=True), f"Your current cluster answers: context {current}, {session.server}"


def agreed() -> bool:
    """Whether the user wants it; where nobody can be asked, no."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("Nobody can be asked whether to use it (no terminal; --yes says so), so it is left alone.")
        return False
    print("Up to 20 packets of one of its pods would be shown. Nothing is created in the cluster; if the pod has no")
    print("tcpdump of its own, one is copied into it and removed as soon as it runs.")
    return input("Use it? [y/N] ").strip().lower() in ("y", "yes")


def in_shop(cluster: DemoCluster, folder: Path) -> Path:
    """A kubeconfig whose current namespace is the one with the pods worth seeing: that is what gets listed."""
    config = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    for entry in config["contexts"]:
        entry["context"]["namespace"] = "shop"
    mine = folder / "kubeconfig"
    mine.write_text(json.dumps(config | {"current-context": "demo"}), encoding="utf-8")
    mine.chmod(0o600)
    return mine


@contextmanager
def choose(folder: Path, *, yes: bool) -> Iterator[Place]:
    """The cluster for this demo; an embedded one lives as long as the block."""
    own, sentence = answering(folder)
    print(sentence)
    if own and (yes or agreed()):
        yield own
        return
    print("Starting a small cluster on this machine, for this demo only …", flush=True)
    with DemoCluster.start() as cluster:
        print(f"It runs: {MODES[cluster.mode]}.")
        yield Place(str(in_shop(cluster, folder)), "demo", own=False, favourite="k8s-pod-shop.web-")
    ended = not Path(f"/proc/{cluster.node_pid}").exists() and not cluster.kubeconfig.exists()
    print(f"  {'gone ' if ended else 'LEFT '} the small cluster: its processes, network namespaces and kubeconfig")
