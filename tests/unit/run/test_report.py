"""What is said of packets that are missing."""

from __future__ import annotations

import pytest

from k8s_extcap.model.errors import LIMIT
from k8s_extcap.model.report import Report, Tally


def warning(tally: Tally, gaps: tuple[str, ...] = ()) -> str:
    return Report(tally, 1.0, "SIGINT", gaps=gaps).warning()


@pytest.mark.parametrize("tally", [Tally(10, 1000), Tally(10, 1000, 10, 0, 0), Tally(10, 1000, 12, slowed=9.0)])
def test_nothing_is_said_where_nothing_is_missing(tally: Tally) -> None:
    """What the rate ceiling held back came later; packets that a stop left in the pod were not asked for."""
    assert warning(tally) == ""


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(90, 9000, 100, 10, 0), ("Of 100 packets 10 are missing", "10 found no room in tcpdump's buffer")),
        (Tally(90, 9000, 100, 0, 3), ("Of 93 packets 3 are missing", "3 were dropped by the network interface")),
        (Tally(90, 9000, 100, 10, 0, 4.2), ("The rate ceiling held it back for 4 s", "--limit-rate")),
        (Tally(90, 9000, 100, 10, 0, 0.2, 61.0), ("took nothing for 61 s",)),
        (Tally(1, 9, 1_234_568, 1_234_567), ("1,234,567 are missing", "--buffer")),
    ],
)
def test_loss_is_told_with_its_place_and_what_helps(tally: Tally, words: tuple[str, ...]) -> None:
    said = warning(tally)
    assert all(word in said for word in words), said
    assert len(said) <= LIMIT


def test_gaps_are_counted_and_the_last_is_told() -> None:
    assert warning(Tally(), ("first.", "second.")) == "The stream was interrupted 2 times; the last: second."
    assert warning(Tally(), ("A gap.",)) == "A gap."


def test_streams_add_up_and_what_nobody_told_stays_unknown() -> None:
    assert Tally(1, 10) + Tally(2, 20) == Tally(3, 30)
    assert Tally(1, 10, 1, 0) + Tally(2, 20) == Tally(3, 30, 1, 0)
    assert Tally(1, 10, 5, 4, None, 0.5) + Tally(2, 20, 3, 1, 2, 0.25) == Tally(3, 30, 8, 5, 2, 0.75)
