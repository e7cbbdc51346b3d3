"""The kinds of pod of the matrix: the bed's own manifests, in namespaces of ours, so nobody else's work is touched."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import yaml

from testbed.cluster.bed import Bed
from testbed.cluster.manifests import FOLDER, rendered

#: Two parts may run beside each other only if each has namespaces of its own.
PREFIX = os.environ.get("K8S_EXTCAP_MATRIX_SPACE", "matrix")
PLAIN, BASELINE, RESTRICTED, HELPERS = PREFIX, f"{PREFIX}-baseline", f"{PREFIX}-restricted", f"{PREFIX}-helpers"
#: Namespace -> what its Pod Security admission enforces.
NAMESPACES = {PLAIN: "privileged", BASELINE: "baseline", RESTRICTED: "restricted", HELPERS: "privileged"}
NODES = ("n1", "n2")


class Kind(NamedTuple):
    """`pod` is the manifest's name without its node, `file` where it stands. `silent`: it has no traffic of its own.
    `options` are what a person would give for such a pod. `tainted`: its node refuses new pods meanwhile.
    """

    title: str
    file: str
    pod: str
    namespace: str = PLAIN
    silent: bool = False
    options: tuple[str, ...] = ()
    tainted: bool = False

    @property
    def label(self) -> str:
        return self.title.replace(" ", "-")


TEAM, HARD, POLICY = "20-team.node.yaml", "40-hard.node.yaml", "60-policy.node.yaml"

KINDS = (
    Kind("ordinary pod", TEAM, "client"),
    Kind("with tcpdump", TEAM, "tcpdump"),
    Kind("several containers", HARD, "several"),
    Kind("non-root", HARD, "nonroot"),
    Kind("read-only root", HARD, "readonly"),
    Kind("all capabilities dropped", HARD, "nocaps"),
    Kind("scratch, no shell", HARD, "scratch", silent=True),
    Kind("runAsNonRoot and RuntimeDefault", HARD, "strict-shell"),
    # It sees its node: the interface that carries the pods' packets is asked for by name.
    Kind("hostNetwork", HARD, "hostnet", options=("--nic", "cni0")),
    Kind("namespace enforces baseline", POLICY, "shell", BASELINE),
    Kind("namespace enforces restricted", POLICY, "strict", RESTRICTED),
    Kind("native sidecar", HARD, "sidecar"),
    Kind("tainted node", TEAM, "client", tainted=True),
)
IDLE = Kind("idle, with tcpdump", TEAM, "idle", silent=True)


def body(bed: Bed, kind: Kind, node: str, name: str) -> dict[str, Any]:
    """The pod as kubectl gets it: the manifest's, under another name, in our namespace, selected by no Service."""
    text = rendered(FOLDER / kind.file, bed.nodes())
    found = next(d for d in yaml.safe_load_all(text) if d and d["metadata"]["name"] == f"{kind.pod}-{node}")
    found["metadata"] = {"name": name, "namespace": kind.namespace, "labels": {"testbed/matrix": kind.pod}}
    made: dict[str, Any] = found
    return made
