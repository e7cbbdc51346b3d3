"""A bed of one's own: for another release, or to break what others are using."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack

from testbed.cluster.bed import Bed
from testbed.cluster.errors import BedError
from testbed.matrix.results import ROOT, Outcome
from testbed.matrix.site import Site
from testbed.matrix.site import site as open_site


class Lab:
    """Brought up for its first cell, wiped after its last by the stack. `refusal`: why it is not, "" if it may be."""

    def __init__(
        self, beside: Bed, number: int, stack: ExitStack, version: str, older: str = "", refusal: str = ""
    ) -> None:
        self._bed, self._stack, self._version, self._older = Bed(beside.root, number), stack, version, older
        self._site: Site | None = None
        self._failure = refusal

    def run(self, deed: Callable[[Site], Outcome]) -> Outcome:
        if not self._site and not self._failure:
            try:
                self._site = self._open()
            except (BedError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                self._failure = f"the bed does not come up: {' '.join(said.split())[-250:]}"
        return deed(self._site) if self._site else Outcome("not run", self._failure)

    def _open(self) -> Site:
        """What a killed run left is wiped first."""
        words = [sys.executable, "-m", "testbed.cluster", "--bed", str(self._bed.number)]
        older = ("--node2", self._older) if self._older else ()
        self._stack.callback(lambda: subprocess.run([*words, "wipe"], cwd=ROOT, check=False, capture_output=True))
        for deed in (("wipe",), ("up", "--kubernetes", self._version, *older)):
            subprocess.run([*words, *deed], cwd=ROOT, check=True, capture_output=True, text=True)
        return self._stack.enter_context(open_site(self._bed))
