"""Parts `search` and `struck`: whether the search finds what is planted and what mutants leave, then all shots."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testbed.matrix import mutants, plants, struck, volley
from testbed.matrix.berth import Berth, Ground, berths, ground
from testbed.matrix.results import Figure, Outcome
from testbed.matrix.site import Site
from testbed.matrix.struck import Shot

SEARCH, STRUCK = "search", struck.NAME
BREAKS = "it stops parts of the cluster that others use: --bed N, beside bed 0"

#: (part, what, the node's name, outcome, seconds)
Told = Callable[[str, dict[str, str], str, Outcome, float], None]
Wanted = Callable[[str, dict[str, str]], bool]


@contextmanager
def _place(site: Site, jobs: int) -> Iterator[tuple[Ground, list[Berth]]]:
    with ground(site.bed, site.cluster) as place, berths(place, jobs) as made:
        yield place, made


def search(site: Site, wanted: Wanted, tell: Told, _jobs: int) -> None:
    """The searcher before the searched: a search that finds nothing of what is there would praise everything."""
    kinds = [kind for kind in plants.PLANTS if wanted(SEARCH, {"planted": kind})]
    names = [name for name in mutants.CASES if wanted(SEARCH, {"mutant": name})]
    with _place(site, 2) as (_, made):
        for kind in kinds:
            began = time.monotonic()
            found, left = plants.find(plants.Garden(made[0]), kind)
            said = "" if found and not left else left.spoken() or "it was not found"
            outcome = Outcome("failed" if said else "works", said)
            tell(SEARCH, {"planted": kind}, made[0].node, outcome, time.monotonic() - began)
        for name in names:
            began = time.monotonic()
            left = mutants.run(made[1], name)
            found = bool(getattr(left, mutants.CASES[name][2]))
            figures: dict[str, Figure] = {"found": left.kinds()}
            outcome = Outcome("works" if found else "failed", "" if found else "nothing was found", figures)
            tell(SEARCH, {"mutant": name}, made[1].node, outcome, time.monotonic() - began)


def strike(site: Site, wanted: Wanted, tell: Told, jobs: int) -> None:
    with _place(site, jobs) as (_, made):
        every = struck.shots(volley.plans(made[0]))
        chosen = [shot for shot in every if wanted(STRUCK, shot.what)]
        refused = [shot for shot in chosen if shot.blow.shared and site.bed.number == 0]
        for shot in every:  # a line for each, so that what is not reached is told; it never hides a real one
            why = BREAKS if shot in refused else "not reached yet"
            tell(STRUCK, shot.what, "", Outcome("not run", why), 0.0)
        lock = threading.Lock()

        def told(shot: Shot, outcome: Outcome, seconds: float) -> None:
            with lock:
                tell(STRUCK, shot.what, str(outcome.figures.get("node", "")), outcome, seconds)

        rest = [shot for shot in chosen if shot not in refused]
        random.Random(0).shuffle(rest)  # a run that is cut short has looked everywhere
        rest.sort(key=lambda shot: not shot.blow.leaves)  # they take minutes, in which others run
        volley.run(made, rest, told)


#: Parts whose cells run many at once: each is one function, and told as its cells end.
MANY: dict[str, Callable[[Site, Wanted, Told, int], None]] = {SEARCH: search, STRUCK: strike}
