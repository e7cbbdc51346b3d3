"""Part `versions`: other releases of Kubernetes, and an older kubelet under a newer API server, on a bed of their own.

A release that is not built yet is built only if `K8S_EXTCAP_MATRIX_BUILD=1` says so: five minutes of two cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from testbed.cluster.bed import CURRENT, VERSIONS, Bed
from testbed.matrix import methods
from testbed.matrix.lab import Lab
from testbed.matrix.pods import KINDS, NODES, Kind
from testbed.matrix.results import Cell, Outcome
from testbed.matrix.site import Site

NAME = "versions"
NUMBER = 8  # the bed's: beside everybody's bed 0 and the 7 that tests break
BUILD = "K8S_EXTCAP_MATRIX_BUILD"
TITLES = ("ordinary pod", "with tcpdump", "scratch, no shell", "namespace enforces restricted")
#: (API server and n1, n2's kubelet where it is another)
ROWS = (*((version, "") for version in VERSIONS if version != CURRENT), (CURRENT, VERSIONS[1]))


def cells(site: Site) -> Iterator[Cell]:
    for version, older in ROWS:
        with ExitStack() as stack:
            lab = Lab(site.bed, NUMBER, stack, version, older, _missing(site.bed, version, older))
            for kind in (k for k in KINDS if k.title in TITLES):
                for node in NODES:
                    for method in methods.METHODS:
                        release = version + (f", n2 {older}" if older else "")
                        what = {"kubernetes": release, "kind": kind.title, "node": node, "method": method}
                        yield Cell(what, partial(lab.run, partial(_ask, kind, node, method)))


def _ask(kind: Kind, node: str, method: str, site: Site) -> Outcome:
    return methods.ask(site, kind, node, method)


def _missing(bed: Bed, *releases: str) -> str:
    wanted = [v for v in releases if v and not (bed.binaries(v) / "kube-proxy").exists()]
    if not wanted or os.environ.get(BUILD) == "1":
        return ""
    return f"Kubernetes {wanted[0]} is not built; with {BUILD}=1 it is, in five minutes of two cores"
