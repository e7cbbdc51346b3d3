"""Part `struck`: each method, at each position of its own plan, under each blow; many captures at once.

A position is real: the gate holds the request before it is forwarded, or its answer before it is given back.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from testbed.matrix import ending, strikes
from testbed.matrix.berth import Berth
from testbed.matrix.deeds import STREAMING, Deed, Position, positions
from testbed.matrix.remains import Left
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.scene import Scene
from testbed.matrix.strikes import Blow

NAME = "struck"
METHODS = ("resident", "upload", "ephemeral", "nsenter", "copy")
#: Blows after which a stream is taken up again, tried with that option too; the stream of the others is not cut.
AGAIN = ("TCP FIN", "RST", "API server killed and restarted", "kubelet restarted", "container restarted")
RECONNECT = 120  # seconds
SILENCE = strikes.BEYOND + 10  # seconds from the last sign of life until nothing runs in the pod, on a busy machine
UPLOADING = 3 * strikes.LEASE + 22  # the same in the middle of an upload, where the guard waits three times as long
GONE = 150.0  # seconds until all is gone: the reaper's tries, a Job's own end, an ephemeral container's
GIVEN_UP = 280.0  # the same where the credentials are worth nothing: until the reaper has given up


class Shot(NamedTuple):
    """One cell: what is struck, where, by what."""

    method: str
    position: Position
    blow: Blow
    reconnect: int = 0

    @property
    def what(self) -> dict[str, str]:
        again = " (reconnect)" if self.reconnect else ""
        return {"method": self.method, "position": self.position.title, "blow": self.blow.name + again}


class Together:
    """A blow that falls on all at once: it is dealt when every capture is at its position, or has failed to get there.
    `deal` and `mend` run once. Who would be silent at his position starts last, or the guard's lease would be over.
    """

    def __init__(self, shots: Sequence[Shot]) -> None:
        self._missing = len(shots)
        self._patient = sum(not urgent(shot) for shot in shots)
        self._lock = threading.Condition()
        self._done: set[str] = set()
        self._running: set[str] = set()
        self._failure = ""

    def arrive(self, shot: Shot) -> None:
        with self._lock:
            self._missing -= 1
            self._patient -= not urgent(shot)
            self._lock.notify_all()

    def turn(self, shot: Shot) -> None:
        """Until it may start."""
        with self._lock:
            self._lock.wait_for(lambda: not urgent(shot) or self._patient <= 0)

    def wait(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._missing <= 0)

    def once(self, name: str, deed: Callable[[], None]) -> None:
        """The first who comes does it; the others wait until it is done."""
        with self._lock:
            first = name not in self._running
            self._running.add(name)
            if not first:
                self._lock.wait_for(lambda: name in self._done)
        if first:
            try:
                deed()
            except (OSError, RuntimeError) as error:
                self._failure = str(error)
            with self._lock:
                self._done.add(name)
                self._lock.notify_all()
        if self._failure:
            raise RuntimeError(self._failure)


def urgent(shot: Shot) -> bool:
    deed = shot.position.deed
    return deed is not None and deed.title == "exec" and shot.position.moment != "before the call"


def shots(deeds: dict[str, tuple[Deed, ...]]) -> list[Shot]:
    """All of them, from the plans: method x position x blow; and what is cut while streaming, with reconnect."""
    found = []
    for method, plan in deeds.items():
        for position in positions(plan):
            for blow in strikes.BLOWS:
                if _possible(method, position, blow, plan):
                    found.append(Shot(method, position, blow))
                if position.title == STREAMING and blow.name in AGAIN:
                    found.append(Shot(method, position, blow, RECONNECT))
    return found


def _possible(method: str, position: Position, blow: Blow, plan: tuple[Deed, ...]) -> bool:
    """A helper can be evicted when it is there: behind its creation's answer."""
    if not blow.helped:
        return True
    if method not in strikes.HELPED:
        return False
    return position.deed != plan[0] or position.moment == "after the answer"


def run(shot: Shot, berth: Berth, together: Together | None = None) -> Outcome:
    """One cell. A capture that never gets to its position is the cell's failure, and holds up nobody."""
    figures: dict[str, Figure] = {"node": berth.node}
    with ExitStack() as stack:
        arrive = ExitStack()
        if together:
            stack.enter_context(arrive)
            arrive.callback(together.arrive, shot)
            together.turn(shot)
        try:
            with berth.ground.starting:
                scene = stack.enter_context(Scene(berth, shot.method, reconnect=shot.reconnect))
                scene.start(shot.position, timeout=60 if together else 10)
                scene.reach()
                if shot.position.moment == "after the answer":
                    scene.signal(signal.SIGSTOP)  # before it does the next thing
            if together:
                arrive.close()
                together.wait()
            return _strike(shot, scene, figures, together)
        except TimeoutError as error:
            berth.spoil()
            return Outcome("failed", str(error)[:600], figures)
        except BaseException:
            berth.spoil()
            raise


def _strike(shot: Shot, scene: Scene, figures: dict[str, Figure], together: Together | None) -> Outcome:
    blow, berth = shot.blow, scene.berth
    if not together:
        scene.signal(signal.SIGSTOP)  # so that what is there can be looked at before anything moves
        figures["there"] = scene.search.look().kinds()
    if not blow.kills and blow is not strikes.STOPPED:
        scene.signal(signal.SIGCONT)
    before = scene.size()
    _deal(blow, scene, together)
    struck = time.monotonic()
    if blow.silent or not blow.hold:
        scene.gate.release(drop=blow.kills)
    faults = []
    if blow.hold:
        faults += _hold(shot, scene, figures, struck)
        _mend(blow, scene, together)
        scene.gate.release()
    if not blow.kills:
        go_on = ending.goes_on if shot.reconnect else ending.conclude
        figures["end"] = go_on(scene, before)
    ended = struck if blow.kills else time.monotonic()
    if blow.leaves:
        found, figures["ended_after"] = scene.search.until_ended(GIVEN_UP)
        figures["ended_on"] = " ".join(pod.rpartition(" ")[2] for pod in found.ended)  # a copy may be on the other node
    left, _ = scene.search.until_gone(GIVEN_UP if blow.leaves else GONE, blow.leaves)
    figures["gone_after"] = round(time.monotonic() - ended, 1)
    if left.remainder:
        figures["remainder"] = "; ".join(sorted(set(left.remainder)))
    faults += _judge(shot, scene, left)
    figures["packets"], wrong = ending.packets(scene.file)
    if wrong and blow is not strikes.READER:  # he may have died within a block
        faults.append(f"the capture file: {wrong}")
    _leave(shot, berth, left, faults)
    sentence = f"{'; '.join(faults)} [{scene.log()}]" if faults else scene.words()
    return Outcome("failed" if faults else "works", sentence[:600], figures)


def _deal(blow: Blow, scene: Scene, together: Together | None) -> None:
    if blow is strikes.FROZEN:
        strikes.freeze_client(scene)
    if together:
        together.once("deal", lambda: blow.strike(scene))
    else:
        blow.strike(scene)


def _mend(blow: Blow, scene: Scene, together: Together | None) -> None:
    if together:
        together.once("mend", lambda: blow.restore(scene))
    else:
        blow.restore(scene)
    if blow is strikes.FROZEN:
        strikes.thaw_client(scene)


def uploading(shot: Shot) -> bool:
    """Whether it falls while a program is on its way into the pod, or may be."""
    return shot.method != "resident" and shot.position.deed is not None and shot.position.deed.title == "exec"


def _hold(shot: Shot, scene: Scene, figures: dict[str, Figure], struck: float) -> list[str]:
    """While nobody hears the client: the pod must get rid of the capture alone."""
    faults, blow = [], shot.blow
    if blow.silent:
        patience = UPLOADING if uploading(shot) else SILENCE
        inside, seconds = scene.search.until_outside(patience)
        figures["silent_after"] = seconds
        if inside.inside:
            faults.append(f"in the pod {patience:.0f} s after the last sign of life: {inside.spoken()}")
    time.sleep(max(0.0, blow.hold - (time.monotonic() - struck)))
    return faults


def _judge(shot: Shot, scene: Scene, left: Left) -> list[str]:
    faults = [f"it stayed: {left.spoken()}"] if left else []
    if shot.blow is not strikes.READER and scene.reader is not None:
        try:
            scene.reader.wait(10)  # it has what was in the FIFO when the writer's end is closed
        except subprocess.TimeoutExpired:
            faults.append("the FIFO is still open for writing")
    words = ending.said_wrong(scene)
    return [*faults, words] if words else faults


def _leave(shot: Shot, berth: Berth, left: Left, faults: list[str]) -> None:
    """What this cell changed must not be the next one's."""
    harmless = shot.method != "ephemeral" and shot.blow not in (strikes.DELETED, strikes.RESTARTED)
    if left or faults or not harmless or left.remainder:
        berth.spoil()
        berth.scrub()
