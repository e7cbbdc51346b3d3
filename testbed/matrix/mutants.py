"""The product with one ring of its clean-up switched off: what it leaves must be found."""

from __future__ import annotations

import signal

from testbed.matrix import tree
from testbed.matrix.berth import Berth
from testbed.matrix.deeds import STREAMING, Position
from testbed.matrix.remains import Left
from testbed.matrix.scene import Scene

SETTLED = 35.0  # seconds after which a ring that works has done its work: the guard's 20, and a busy machine
EVICTED = 180.0  # seconds: 20 of slow answers, 130 until the kubelet has looked at the volume, and a busy machine
#: Mutant -> (method, signal, field of Left that must tell it, seconds): where no other ring does the same work.
CASES = {
    "unwind off": ("nsenter", signal.SIGTERM, "objects", SETTLED),
    "reaper off": ("nsenter", signal.SIGKILL, "journals", SETTLED),
    "guard off": ("upload", signal.SIGKILL, "processes", SETTLED),
    "eviction off": ("copy", signal.SIGKILL, "processes", EVICTED),
}


def run(berth: Berth, name: str) -> Left:
    """What a capture of that mutant leaves behind. The berth is fresh afterwards."""
    method, number, _, settled = CASES[name]
    folder = berth.ground.work / name.replace(" ", "-")
    if not folder.exists():
        tree.plant(folder, tree.MUTANTS[name])
    try:
        with Scene(berth, method, tree=folder) as scene:
            scene.start(Position(STREAMING))
            scene.reach()
            scene.signal(number)
            assert scene.process is not None
            scene.process.wait(60)
            left, _ = scene.search.until_gone(settled)
            return left
    finally:
        berth.spoil()
        berth.scrub()
