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
from testbed.cluster.errors import BedError
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
            lab = _Lab(site.bed, stack, version, older)
            for kind in (k for k in KINDS if k.title in TITLES):
                for node in NODES:
                    for method in methods.METHODS:
                        release = version + (f", n2 {older}" if older else "")
                        what = {"kubernetes": release, "kind": kind.title, "node": node, "method": method}
                        yield Cell(what, partial(lab.ask, kind, node, method))


class _Lab:
    """The bed of one release: brought up for its first cell, wiped after its last by the stack."""

    def __init__(self, bed: Bed, stack: ExitStack, version: str, older: str) -> None:
        self._bed, self._stack, self._version, self._older = bed, stack, version, older
        self._site: Site | None = None
        self._failure = _missing(bed, version, older)

    def ask(self, kind: Kind, node: str, method: str) -> Outcome:
        if not self._site and not self._failure:
            try:
                self._site = self._open()
            except (BedError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                self._failure = f"the bed does not come up: {' '.join(said.split())[-250:]}"
        if not self._site:
            return Outcome("not run", self._failure)
        return methods.ask(self._site, kind, node, method)

    def _open(self) -> Site:
        """A bed that a killed run left is wiped first."""
        words = [sys.executable, "-m", "testbed.cluster", "--bed", str(NUMBER)]
        older = ("--node2", self._older) if self._older else ()
        self._stack.callback(lambda: subprocess.run([*words, "wipe"], cwd=ROOT, check=False, capture_output=True))
        for deed in (("wipe",), ("up", "--kubernetes", self._version, *older)):
            subprocess.run([*words, *deed], cwd=ROOT, check=True, capture_output=True, text=True)
        return self._stack.enter_context(open_site(Bed(self._bed.root, NUMBER)))


def _missing(bed: Bed, *releases: str) -> str:
    wanted = [v for v in releases if v and not (bed.binaries(v) / "kube-proxy").exists()]
    if not wanted or os.environ.get(BUILD) == "1":
        return ""
    return f"Kubernetes {wanted[0]} is not built; with {BUILD}=1 it is, in five minutes of two cores"
