"""A sample of the ways in which a capture ends badly, on the real cluster: whatever the blow, nothing stays.

The cells are those of `python -m testbed.matrix run struck`, run by the same code, many at once. What is always in the
sample is in testbed/matrix/sample.py; the rest is chosen by a seed: K8S_EXTCAP_SEED, else the commit, so that one
commit has one sample.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from testbed.cluster.bed import default_bed
from testbed.cluster.handle import Cluster
from testbed.matrix import mutants, plants, results, sample, struck, volley
from testbed.matrix.berth import berths, ground
from testbed.matrix.remains import Left
from testbed.matrix.results import Outcome
from testbed.matrix.struck import Shot

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

JOBS = 14  # captures at once; they mostly wait for the guard's 20 seconds
MORE = 18  # cells beyond the mandatory ones


@dataclass
class Ran:
    seed: int
    shots: list[Shot]
    mandatory: list[Shot]
    outcomes: dict[Shot, Outcome] = field(default_factory=dict)
    planted: dict[str, str] = field(default_factory=dict)
    mutants: dict[str, Left] = field(default_factory=dict)


def seed() -> int:
    return int(os.environ.get("K8S_EXTCAP_SEED") or zlib.crc32(results.commit().encode()))


@pytest.fixture(scope="module")
def ran(cluster: Cluster) -> Iterator[Ran]:
    """All of it, once: the plants and the mutants beside the captures."""
    cluster.need_bed("nodes to look at and daemons to restart")
    with ground(default_bed(), cluster) as place, berths(place, JOBS) as made:
        garden, beds, *rest = made
        deeds = volley.plans(rest[0])
        every = struck.shots(deeds)
        found = Ran(seed(), sample.choose(every, deeds, MORE, seed()), sample.mandatory(every, deeds))

        def grow() -> None:
            found.planted = plants.grow(garden)

        def mutate() -> None:
            found.mutants = {name: mutants.run(beds, name) for name in mutants.CASES}

        def tell(shot: Shot, outcome: Outcome, seconds: float) -> None:
            found.outcomes[shot] = outcome
            print(volley.spoken(shot, outcome, seconds))

        volley.run(rest, found.shots, tell, (grow, mutate))
        yield found


def test_the_search_finds_one_leftover_of_each_kind_and_nothing_when_it_is_gone(ran: Ran) -> None:
    assert set(ran.planted) == set(plants.PLANTS)
    assert {kind: wrong for kind, wrong in ran.planted.items() if wrong} == {}


@pytest.mark.parametrize("name", mutants.CASES)
def test_with_one_ring_switched_off_the_search_finds_what_it_leaves(ran: Ran, name: str) -> None:
    assert getattr(ran.mutants[name], mutants.CASES[name][2]), ran.mutants[name].spoken()


def test_the_sample_holds_what_it_must(ran: Ran) -> None:
    assert len(ran.mandatory) == len(sample.METHODS) * (len(sample.ALWAYS) + 1)
    assert set(ran.mandatory) <= set(ran.outcomes)


def test_whatever_the_blow_nothing_stays_and_the_file_can_be_read(ran: Ran) -> None:
    failed = ["/".join(s.what.values()) + f": {o.sentence}" for s, o in ran.outcomes.items() if o.verdict != "works"]
    assert not failed, f"seed {ran.seed}\n" + "\n".join(failed)
    assert len(ran.outcomes) == len(ran.shots)


def test_something_was_there_when_the_blow_fell(ran: Ran) -> None:
    """A blow that falls on nothing proves nothing: while packets flow, every capture has something in its pod."""
    streaming = [(s, o) for s, o in ran.outcomes.items() if s.position.deed is None and not s.blow.shared]
    assert len(streaming) >= len(ran.mandatory) // 2
    empty = ["/".join(s.what.values()) for s, o in streaming if "process in the pod" not in str(o.figures["there"])]
    assert empty == []
