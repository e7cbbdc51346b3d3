"""A TCP stream in any segments, lost, repeated and out of order: the messages that are whole come out, once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from testbed.truth import forge, mark
from testbed.truth.files import Chunk
from testbed.truth.forge import Made
from testbed.truth.ledger import Expected
from testbed.truth.oracle import Report, judge

NOW = 1_700_000_000_000_000_000
SIZE = 48


def stream(count: int) -> bytes:
    return b"".join(mark.write(1, number, NOW, SIZE) for number in range(count))


def cut(data: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    """(offset, bytes) of consecutive segments of the given sizes, over and over."""
    pieces: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append((at, data[at : at + size]))
        at += size
    return pieces


def judged(pieces: list[tuple[int, bytes]], count: int, *, start: int = 0, syn: bool = True) -> Report:
    made = [Made(forge.framed(1, forge.tcp(start, b"", syn=True)), NOW)] if syn else []
    made += [
        Made(forge.framed(1, forge.tcp(start + 1 + at, data)), NOW + 10 + step)
        for step, (at, data) in enumerate(pieces)
    ]
    return judge([Chunk(forge.pcap(made, nano=True))], {1: Expected(sent=count)})


sizes = st.lists(st.integers(1, 200), min_size=1, max_size=8)
starts = st.sampled_from([0, 77, 2**31 - 500, 2**32 - 500])  # the number wraps inside the stream


@given(st.integers(1, 40), sizes, starts)
def test_any_segments_give_all_messages(count: int, sizes: list[int], start: int) -> None:
    report = judged(cut(stream(count), sizes), count, start=start)
    assert report.clean
    assert report.repeated_segments == report.reordered_segments == 0


@given(st.integers(1, 30), sizes, starts, st.randoms(use_true_random=False))
def test_order_and_repetition_of_segments_do_not_matter(
    count: int, sizes: list[int], start: int, dice: random.Random
) -> None:
    pieces = cut(stream(count), sizes)
    mixed = pieces + dice.sample(pieces, dice.randrange(len(pieces) + 1))
    dice.shuffle(mixed)
    report = judged(mixed, count, start=start)
    assert report.clean
    assert report.repeated_segments == len(mixed) - len(pieces)


@given(st.integers(1, 40), sizes, starts, st.data())
def test_a_lost_segment_costs_the_messages_that_it_touches(
    count: int, sizes: list[int], start: int, data: st.DataObject
) -> None:
    pieces = cut(stream(count), sizes)
    lost = data.draw(st.sets(st.integers(0, len(pieces) - 1)))
    touched = {
        byte // SIZE for index in lost for byte in range(pieces[index][0], pieces[index][0] + len(pieces[index][1]))
    }
    report = judged([piece for index, piece in enumerate(pieces) if index not in lost], count, start=start)
    found = report.flows[1]
    assert (found.missing, found.damaged, found.duplicate) == (len(touched), 0, 0)


@given(st.integers(2, 30), sizes, st.data())
def test_a_capture_that_begins_inside_a_message_finds_the_next_one(
    count: int, sizes: list[int], data: st.DataObject
) -> None:
    skipped = data.draw(st.integers(1, SIZE * (count - 1)))
    whole = stream(count)
    pieces = [(skipped + at, piece) for at, piece in cut(whole[skipped:], sizes)]
    report = judged(pieces, count, syn=False)
    assert report.flows[1].missing == -(-skipped // SIZE)


def test_a_flipped_bit_in_a_stream_is_one_damaged_message() -> None:
    whole = bytearray(stream(10))
    whole[4 * SIZE + 40] ^= 1
    found = judged([(0, bytes(whole))], 10).flows[1]
    assert (found.damaged, found.missing, found.missing_ranges) == (1, 1, ((4, 4),))


def test_a_message_has_the_time_of_its_last_byte() -> None:
    whole = stream(1)
    found = judged([(0, whole[:10]), (10, whole[10:30]), (30, whole[30:])], 1).flows[1]
    assert found.captured_after == (12, 12, 12)
