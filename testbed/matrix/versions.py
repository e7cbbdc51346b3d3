"""Part `versions`: other releases of Kubernetes, and an older kubelet under a newer API server, on a bed of their own.

A release that is not built yet is built only if `K8S_EXTCAP_MATRIX_BUILD=1` says so: five minutes of two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from testbed.cluster.bed import CURRENT, VERSIONS, Bed
from testbed.matrix import methods
from testbed.matrix.pods import KINDS, NODES, Kind
from testbed.matrix.results import ROOT, Cell, Outcome
from testbed.matrix.site import Site
from testbed.matrix.site import site as open_site

NAME = "versions"
NUMBER = 7  # the bed's: beside everybody's bed 0
BUILD = "K8S_EXTCAP_MATRIX_BUILD"
TITLES = ("ordinary pod", "with tcpdump", "scratch, no shell", "namespace enforces restricted")
#: (API server and n1, n2's kubelet where it is another)
ROWS = (*((version, "") for version in VERSIONS if version != CURRENT), (CURRENT, VERSIONS[1]))


def cells(site: Site) -> Iterator[Cell]:
    for version, older in ROWS:
        with ExitStack() as stack:
            opened: list[Site] = []
            for kind in (k for k in KINDS if k.title in TITLES):
                for node in NODES:
                    for method in methods.METHODS:
                        what = {
                            "kubernetes": version + (f", n2 {older}" if older else ""),
                            "kind": kind.title,
                            "node": node,
                            "method": method,
                        }
                        ask = (version, older, kind, node, method)
                        yield Cell(what, partial(_one, site.bed, stack, opened, *ask))


def _one(
    bed: Bed, stack: ExitStack, opened: list[Site], version: str, older: str, kind: Kind, node: str, method: str
) -> Outcome:
    if not opened:
        reason = _missing(bed, version, older)
        if reason:
            return Outcome("not run", reason)
        opened.append(_open(Bed(bed.root, NUMBER), stack, version, older))
    return methods.ask(opened[0], kind, node, method)


def _missing(bed: Bed, *releases: str) -> str:
    wanted = [v for v in releases if v and not (bed.binaries(v) / "kube-proxy").exists()]
    if not wanted or os.environ.get(BUILD) == "1":
        return ""
    return f"Kubernetes {wanted[0]} is not built; with {BUILD}=1 it is, in five minutes of two cores"


def _open(bed: Bed, stack: ExitStack, version: str, older: str) -> Site:
    """Up until the version's last cell; a bed that a killed run left is wiped first."""
    words = [sys.executable, "-m", "testbed.cluster", "--bed", str(NUMBER)]
    wipe = [*words, "wipe"]
    subprocess.run(wipe, cwd=ROOT, check=True, capture_output=True)
    up = [*words, "up", "--kubernetes", version, *(("--node2", older) if older else ())]
    subprocess.run(up, cwd=ROOT, check=True, capture_output=True, text=True)
    stack.callback(lambda: subprocess.run(wipe, cwd=ROOT, check=False, capture_output=True))
    return stack.enter_context(open_site(bed))
