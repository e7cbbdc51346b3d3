"""Runs many shots at once on berths of their own; those of a blow that falls on all are run in groups."""

from __future__ import annotations

import queue
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from testbed.matrix import struck
from testbed.matrix.berth import Berth
from testbed.matrix.deeds import Deed
from testbed.matrix.results import Outcome
from testbed.matrix.scene import Scene
from testbed.matrix.struck import Shot, Together

GROUP = 10  # captures under one shared blow: more would not be at their positions within the guard's lease

Tell = Callable[[Shot, Outcome, float], None]


def plans(berth: Berth, methods: Iterable[str] = struck.METHODS) -> dict[str, tuple[Deed, ...]]:
    """Each method's deeds, by its dry run on this berth."""
    found = {}
    for method in methods:
        with Scene(berth, method) as scene:
            found[method] = scene.deeds()
    return found


def groups(shots: Sequence[Shot], size: int) -> Iterator[list[Shot]]:
    """Those with the same shared blow, a few at a time."""
    shared: dict[str, list[Shot]] = {}
    for shot in shots:
        if shot.blow.shared:
            shared.setdefault(shot.what["blow"], []).append(shot)
    for same in shared.values():
        for start in range(0, len(same), size):
            yield same[start : start + size]


def run(
    berths: Sequence[Berth], shots: Sequence[Shot], tell: Tell, beside: Sequence[Callable[[], object]] = ()
) -> None:
    """`tell` is called from many threads, as each shot ends. `beside`: more to be done while no blow falls on all."""
    free: queue.Queue[Berth] = queue.Queue()
    for berth in berths:
        free.put(berth)

    def one(shot: Shot, together: Together | None = None) -> None:
        berth = free.get()
        began = time.monotonic()
        try:
            outcome = struck.run(shot, berth, together)
        except Exception as error:  # one cell must not end the run; what went wrong is its result
            outcome = Outcome("failed", f"the matrix itself: {type(error).__name__}: {error}"[:400])
        if outcome.verdict == "works":
            for home in berth.folder.glob("home-*"):
                shutil.rmtree(home, ignore_errors=True)
        free.put(berth)
        tell(shot, outcome, round(time.monotonic() - began, 1))

    alone = [shot for shot in shots if not shot.blow.shared]
    with ThreadPoolExecutor(len(berths) + len(beside)) as pool:
        pending: list[Future[object]] = [*(pool.submit(deed) for deed in beside)]
        pending += [pool.submit(one, shot) for shot in alone]
        try:
            for waited in pending:
                waited.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for group in groups(shots, min(GROUP, len(berths))):
        together = Together(group)
        with ThreadPoolExecutor(len(group)) as pool:
            for done in [pool.submit(one, shot, together) for shot in group]:
                done.result()


def spoken(shot: Shot, outcome: Outcome, seconds: float) -> str:
    return f"{outcome.verdict:8} {seconds:6.1f} s  {'/'.join(shot.what.values())}  {outcome.sentence[:200]}"


def show(shot: Shot, outcome: Outcome, seconds: float) -> None:
    sys.stdout.write(spoken(shot, outcome, seconds) + "\n")
    sys.stdout.flush()
