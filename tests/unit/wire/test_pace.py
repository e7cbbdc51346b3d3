"""How long a stream may gather, by what it brings and by the room there is for it."""

from __future__ import annotations

import itertools

import pytest

from k8s_extcap.wire.pace import LONG, MUCH, SHORT, SPAN, STEP, Pace

MOST = 1 << 20
MB = 1_000_000


def after(rate: float, room: int, reads: int = 90, every: float = 0.01) -> Pace:
    pace = Pace(MOST, lambda: room)
    for n in range(reads):
        pace.brought(int(rate * every), 100 + n * every)
    return pace


@pytest.mark.parametrize(
    ("rate", "room", "rest"),
    [
        (0.1 * MB, 6 * MB, SHORT),
        (9 * MB, 6 * MB, SHORT),
        (12 * MB, 6 * MB, LONG),
        (28 * MB, 6 * MB, LONG),
        (100 * MB, 6 * MB, MOST * 0.75 / 100e6),
        (1000 * MB, 6 * MB, SHORT),
        (28 * MB, 131_072, 131_072 / 4 / 28e6),
        (28 * MB, 0, SHORT),
    ],
    ids="few,below,much,bulk,more,most,small-room,unknown-room".split(","),
)
def test_the_rest(rate: float, room: int, rest: float) -> None:
    assert after(rate, room).rest == pytest.approx(rest, rel=0.15)


@pytest.mark.parametrize("rate", [1 * MB, 12 * MB, 28 * MB, 60 * MB, 400 * MB])
@pytest.mark.parametrize("room", [0, 65_536, 131_072, 1 * MB, 6 * MB])
def test_what_gathers_finds_room(rate: float, room: int) -> None:
    """Else the sender waits for us, and we take the stream for a slower one, and rest longer still."""
    rest = after(rate, room).rest
    assert SHORT <= rest <= LONG
    assert rest == SHORT or rate * rest <= 1.2 * min(room / 4, MOST * 0.75)


def test_it_grows_by_steps() -> None:
    """So that the sender finds out in time how much more may be under way."""
    rests = [after(28 * MB, 6 * MB, reads).rest for reads in range(2, 90)]
    assert all(0 <= more - less <= STEP * 1.001 for less, more in itertools.pairwise(rests))
    assert (rests[0], rests[-1]) == (SHORT, LONG)


def test_it_is_forgotten_soon() -> None:
    pace = after(28 * MB, 6 * MB)
    assert pace.rest > SHORT
    pace.brought(100, 200.0)
    assert pace.rest == SHORT


def test_a_burst_is_no_rate() -> None:
    """What a block timer hands on at once, a hundred times a second."""
    pace = Pace(MOST, lambda: 6 * MB)
    for n in range(100):
        pace.brought(int(MUCH / 200), 100 + n / 100)
        pace.brought(int(MUCH / 1000), 100.0002 + n / 100)
        assert pace.rest == SHORT
    assert SPAN >= 0.1
