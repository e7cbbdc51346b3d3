"""What is up, on disk: written last by `up`, removed first by `down`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.cluster.bed import CURRENT, Bed
from testbed.cluster.errors import BedError
from testbed.cluster.node import init_pid

SKEW = 3  # kubernetes.io/releases/version-skew-policy, since 1.28


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `up` is asked for. `node2`: the version of kubelet and kube-proxy on n2, where it differs."""

    kubernetes: str = CURRENT
    node2: str = ""
    nodes: int = 2
    dns: bool = False

    def version_of(self, node: int) -> str:
        return self.node2 if node > 1 and self.node2 else self.kubernetes

    def check(self) -> None:
        """Kubernetes' own rule: a kubelet is never newer than its API server, and at most three minors older."""
        gap = int(self.kubernetes.split(".")[1]) - int(self.version_of(2).split(".")[1])
        if not 0 <= gap <= SKEW:
            raise BedError(
                f"a kubelet of {self.node2} does not belong under an API server of {self.kubernetes}: it may be "
                f"at most {SKEW} minor releases older, and not newer; choose another --node2"
            )

    def __str__(self) -> str:
        text = f"Kubernetes {self.kubernetes}, {self.nodes} node{'s' if self.nodes > 1 else ''}"
        text += f", n2 with {self.node2}" if self.node2 else ""
        return text + (", DNS" if self.dns else "")


def path(bed: Bed) -> Path:
    return bed.cluster / "running.json"


def read(bed: Bed) -> Wanted | None:
    """None: no `up` has come to its end since the last `down`, or the machine was started anew since."""
    try:
        wanted = Wanted(**json.loads(path(bed).read_text(encoding="utf-8")))
        for node in bed.nodes(wanted.nodes):
            init_pid(bed, node)
    except (OSError, ValueError, TypeError, BedError):
        return None
    return wanted


def write(bed: Bed, wanted: Wanted) -> None:
    path(bed).write_text(json.dumps(asdict(wanted)), encoding="utf-8")
