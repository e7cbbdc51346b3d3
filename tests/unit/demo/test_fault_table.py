"""Which fault meets which request."""

from __future__ import annotations

import pytest

from testbed.demo.faults import Fault, Faults, Kind, from_json, to_json


@pytest.mark.parametrize("kind", list(Kind))
def test_json_round_trip(kind: Kind) -> None:
    fault = Fault(kind, path="/pods", method="GET", times=2, skip=1, seconds=0.5, bytes=7, code=503)
    assert from_json(to_json(fault)) == fault


def test_only_so_many_times_and_after_so_many() -> None:
    faults = Faults()
    faults.add(Fault(Kind.DELAY, path="/pods", times=2, skip=1))
    taken = [faults.take("GET", "/api/v1/pods") is not None for _ in range(5)]
    assert taken == [False, True, True, False, False]


def test_path_and_method_must_both_match() -> None:
    faults = Faults()
    number = faults.add(Fault(Kind.REFUSE, path=r"/exec\?.*container=app", method="GET"))
    assert faults.take("GET", "/api/v1/pods") is None
    assert faults.take("POST", "/x/exec?container=app") is None
    assert faults.take("GET", "/x/exec?command=a&container=app") is not None
    assert faults.hits() == {number: 1}


def test_the_first_that_has_hits_left_wins() -> None:
    faults = Faults()
    faults.add(Fault(Kind.DELAY, times=1))
    faults.add(Fault(Kind.REFUSE))
    assert [fault and fault.kind for fault in (faults.take("GET", "/") for _ in range(2))] == [Kind.DELAY, Kind.REFUSE]
    faults.clear()
    assert faults.take("GET", "/") is None
