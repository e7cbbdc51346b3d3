"""Part `idle`: a node's capture without a filter must not carry itself: its own stream crosses that very node.

For a bed without the catalogue (`python -m testbed.cluster up --bare`), whose pods talk.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

from testbed.matrix import product
from testbed.matrix.pods import IDLE, NAMESPACES, NODES
from testbed.matrix.results import Cell, Figure, Outcome
from testbed.matrix.site import Site

NAME = "idle"
SECONDS = 30
CEILING = 100_000  # bytes per second: the promise of the issue
DEFAULT, VETH, LINK = "(default)", "(a pod's host end)", "(link to the other node)"
CHOICES = (DEFAULT, "eth0", VETH, LINK, "lo", "any")


def cells(site: Site) -> Iterator[Cell]:
    for node in NODES:
        for choice in CHOICES:
            yield Cell({"node": node, "interface": choice}, partial(_idle, site, node, choice))


def _idle(site: Site, node: str, choice: str) -> Outcome:
    if _others(site, node):
        return Outcome("not run", "other pods run on the node: python -m testbed.cluster up --bare")
    site.pod(IDLE, node)  # its cable is one of the choices
    # The bed's nodes are joined by a cable of their own: the kubelet's stream for the API server crosses it.
    link = f"to-{next(n for n in NODES if n != node)}"
    nic = {DEFAULT: "", VETH: _veth(site, node), LINK: link}.get(choice, choice)
    home = product.home(site, "idle")
    options = ("--nic", nic) if nic else ()
    # The ceiling of the rate would hide a loop, so it is raised.
    ended = product.capture(site, home, f"node/{node}", "--limit-time", f"{SECONDS}s", "--limit-rate", "none", *options)
    file = home / "capture.pcapng"
    size = file.stat().st_size if file.exists() else 0
    outcome = ended.outcome(wanted=0)
    rate = size // SECONDS
    figures: dict[str, Figure] = {
        "bytes_per_second": rate,
        "packets": ended.packets,
        "interface": nic or _chosen(ended.said),
    }
    if outcome.verdict == "works" and rate >= CEILING:
        return Outcome("failed", f"{rate} bytes per second, the limit is {CEILING}", figures)
    return Outcome(outcome.verdict, outcome.sentence, figures)


def _chosen(said: str) -> str:
    return next((w.strip(".,;:'") for w in said.split() if w.strip(".,;:'") in ("eth0", "cni0")), "")


def _others(site: Site, node: str) -> bool:
    """Whether pods run there that are not ours."""
    running = site.api.items(f"/api/v1/pods?fieldSelector=spec.nodeName={node},status.phase=Running")
    return any(pod["metadata"]["namespace"] not in NAMESPACES for pod in running)


def _veth(site: Site, node: str) -> str:
    """The host end of a pod's cable, from the node's own /sys: a name like veth1a2b3c4d."""
    netns = site.bed.node(int(node[1:])).netns
    words = ["nsenter", f"--net={netns}", "ip", "-o", "link", "show", "type", "veth"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    names = [line.split()[1].partition("@")[0].rstrip(":") for line in lines]
    return next(name for name in names if name.startswith("veth"))
