"""The catalogue in manifests/: rendered for the nodes that are there, applied, and waited for.

A file `*.node.yaml` is applied once per node. In every file `$node` is that node's name, `$last` the last node's,
`$count` their number, `$$` a dollar.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from testbed.cluster.api import Api
from testbed.cluster.bed import Bed, Node
from testbed.cluster.errors import BedError
from testbed.cluster.processes import wait_until

FOLDER = Path(__file__).parent / "manifests"
FIRST = ("00-namespaces.yaml", "05-users.yaml")
#: Label of a pod that is meant never to be Ready: it waits, crashes or has no image.
NOT_READY = ("testbed/expect", "not-ready")


def rendered(file: Path, nodes: Sequence[Node]) -> str:
    """The text of one file for these nodes."""
    names = [node.name for node in nodes]
    per_node = names if file.name.endswith(".node.yaml") else names[:1]
    common = {"last": names[-1], "count": str(len(names))}
    template = Template(file.read_text(encoding="utf-8"))
    return "\n---\n".join(template.substitute(common, node=name) for name in per_node)


def apply(bed: Bed, kubectl: Path, text: str) -> None:
    """Through kubectl: a developer who applies the files by hand gets the same."""
    done = subprocess.run(
        [kubectl, "--kubeconfig", bed.kubeconfig, "apply", "-f", "-"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("Warning:")]
        raise BedError(f"the catalogue cannot be applied: {' '.join(lines)[:300]}")


def apply_catalogue(bed: Bed, api: Api, kubectl: Path, nodes: Sequence[Node]) -> None:
    first = "\n---\n".join(rendered(FOLDER / name, nodes) for name in FIRST)
    apply(bed, kubectl, first)
    wanted = {name["metadata"]["name"] for name in api.items("/api/v1/namespaces")}
    wait_until(lambda: wanted <= api.accounts(), "the service account of every namespace", 30)
    rest = [file for file in sorted(FOLDER.glob("*.yaml")) if file.name not in FIRST]
    apply(bed, kubectl, "\n---\n".join(rendered(file, nodes) for file in rest))


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def as_expected(pod: dict[str, Any]) -> bool:
    """Ready, or completed, or one of those that never become Ready."""
    key, value = NOT_READY
    return (
        is_ready(pod)
        or pod["status"].get("phase") == "Succeeded"
        or pod["metadata"].get("labels", {}).get(key) == value
    )


def unfinished(api: Api) -> list[str]:
    """What of the catalogue is not as it should be yet: pods by name, workloads whose pods are not all there."""
    pods = api.pods()
    names = [f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in pods if not as_expected(p)]
    for kind in ("deployments", "statefulsets"):
        items = api.items(f"/apis/apps/v1/{kind}")
        lacking = [i for i in items if i["status"].get("readyReplicas", 0) < i["spec"]["replicas"]]
        names += [f"{kind[:-1]} {item['metadata']['name']}" for item in lacking]
    for item in api.items("/apis/apps/v1/daemonsets"):
        status = item["status"]
        if not 0 < status.get("desiredNumberScheduled", 0) <= status.get("numberReady", 0):
            names.append(f"daemonset {item['metadata']['name']}")
    return names if pods else ["no pods"]


def wait_for_catalogue(api: Api, within: float) -> None:
    left: list[str] = []

    def finished() -> bool:
        left[:] = unfinished(api)
        return not left

    try:
        wait_until(finished, "the catalogue of pods", within, every=0.2)
    except BedError as error:
        raise BedError(
            f"after {within:.0f} s not Ready: {', '.join(left)[:250]}; look with kubectl describe"
        ) from error
