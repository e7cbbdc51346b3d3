"""Files with known damage get exactly that verdict."""

import random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.truth import forge, mark
from testbed.truth.files import Chunk
from testbed.truth.forge import Made
from testbed.truth.ledger import Expected, Verdict
from testbed.truth.oracle import judge

NOW = 1_700_000_000_000_000_000
STEP = 1_000_000  # a message each millisecond
FROM_ZERO = Expected()
DELAY = 5_000  # from sending to the capture's time stamp


def sent(number: int, *, flow: int = 1, size: int = 64, delay: int = DELAY) -> tuple[bytes, int]:
    at = NOW + number * STEP
    return mark.write(flow, number, at, size), at + delay


def datagrams(count: int, **options: int) -> list[Made]:
    return [
        Made(forge.framed(1, forge.udp(message)), time)
        for message, time in (sent(number, **options) for number in range(count))
    ]


def verdict_on(
    made: list[Made], expected: dict[int, Expected] | None = None, *, link: int = 1, default: Expected = FROM_ZERO
) -> Verdict:
    report = judge([Chunk(forge.pcap(made, link=link, nano=True))], expected, default=default)
    assert report.broken is None
    return report.flows[1]


@pytest.mark.parametrize("link", [1, 101, 113, 276])
@pytest.mark.parametrize("version", [4, 6])
def test_a_complete_capture_is_clean_in_every_link_layer(link: int, version: Literal[4, 6]) -> None:
    made = [Made(forge.framed(link, forge.udp(m, version=version)), t) for m, t in map(sent, range(50))]
    found = verdict_on(made, {1: Expected(sent=50)}, link=link)
    assert found.clean
    assert (found.expected, found.captured_after) == (50, (DELAY, DELAY, DELAY))


def test_a_vlan_tag_is_looked_through() -> None:
    made = [Made(forge.framed(1, forge.udp(m), vlan=True), t) for m, t in map(sent, range(5))]
    assert verdict_on(made, {1: Expected(sent=5)}).clean


Plan = tuple[int, set[int], list[int], set[int], set[int], int]

plans = st.integers(1, 60).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.sets(st.integers(0, count - 1)),
        st.lists(st.integers(0, count - 1), max_size=10),
        st.sets(st.integers(0, count - 1), max_size=10),
        st.sets(st.integers(0, count - 1), max_size=10),
        st.integers(0, 2**32),
    )
)


@given(plans, st.sampled_from(["pcap", "pcapng"]))
def test_the_verdict_is_the_damage_that_was_done(plan: Plan, writer: str) -> None:
    count, dropped, doubled, spoilt, delayed, seed = plan
    dice = random.Random(seed)
    made = []
    for number in range(count):
        if number in dropped:
            continue
        message, time = sent(number, delay=3 * STEP if number in delayed else DELAY)
        if number in spoilt:
            at = dice.randrange(8, len(message))  # anywhere but in the magic and the flow's number
            message = message[:at] + bytes([message[at] ^ (1 << dice.randrange(8))]) + message[at + 1 :]
            if 24 <= at < 28:
                continue  # a wrong SIZE is its own test
        made.append((number, message, time))
    intact = {number for number, _, _ in made if number not in spoilt}
    copies = [number for number in doubled if number in intact]
    made += [entry for number in copies for entry in made if entry[0] == number][: len(copies)]
    frames = [Made(forge.framed(1, forge.udp(message)), time) for _, message, time in made]
    report = judge([Chunk(getattr(forge, writer)(frames))], {1: Expected(sent=count)}, late_ns=2 * STEP)
    found = report.flows[1]
    assert found.expected == count
    assert found.missing == count - len(intact)
    assert found.damaged == sum(number not in intact for number, _, _ in made)
    assert found.duplicate == len(copies)
    assert found.late == len(intact & delayed)
    assert found.reordered == 0
    lost = {number for low, high in found.missing_ranges for number in range(low, high + 1)}
    assert lost <= set(range(count)) - intact
    assert report.clean == (not (count - len(intact) or found.damaged or copies or found.late))


@given(st.permutations(range(12)))
def test_reordered_is_whatever_comes_behind_a_higher_number(order: list[int]) -> None:
    made = datagrams(12)
    found = verdict_on([made[number] for number in order], {1: Expected(sent=12)})
    expected = [number for at, number in enumerate(order) if any(earlier > number for earlier in order[:at])]
    assert (found.reordered, list(found.reordered_numbers), found.missing) == (len(expected), expected, 0)


def test_a_snap_length_makes_truncated_not_missing() -> None:
    made = [frame._replace(data=frame.data[:80], original=len(frame.data)) for frame in datagrams(9, size=300)]
    found = verdict_on(made, {1: Expected(sent=9)})
    assert (found.missing, found.truncated, found.damaged) == (0, 9, 0)


def test_a_flow_that_was_expected_and_never_seen_is_missing_whole() -> None:
    report = judge([Chunk(forge.pcap([]))], {7: Expected(sent=30)})
    assert (report.flows[7].missing, report.flows[7].missing_ranges) == (30, ((0, 29),))
    assert not report.clean


def test_a_number_that_was_never_sent_is_damage() -> None:
    found = verdict_on(datagrams(10), {1: Expected(sent=8)})
    assert (found.damaged, found.missing) == (2, 0)


def test_a_capture_that_joined_late_begins_at_its_first_number() -> None:
    found = verdict_on(datagrams(20)[7:], default=Expected(first=None))
    assert (found.expected, found.missing) == (13, 0)


def test_flows_are_told_apart_and_others_are_foreign() -> None:
    other = Made(forge.framed(1, forge.udp(b"somebody else's datagram, long enough to hold a mark")), NOW)
    arp = Made(bytes(12) + b"\x08\x06" + bytes(28), NOW)
    made = [*datagrams(3), other, *datagrams(4, flow=2), arp]
    report = judge([Chunk(forge.pcap(made))], {1: Expected(sent=3), 2: Expected(sent=4)})
    assert (report.clean, report.foreign, report.frames) == (True, 2, 9)


def test_arrival_is_judged_where_the_stream_was_read_live() -> None:
    file = forge.pcap(datagrams(1), nano=True)
    report = judge([Chunk(file[:-1], NOW + STEP), Chunk(file[-1:], NOW + 30 * STEP)], late_ns=20 * STEP)
    found = report.flows[1]
    assert (found.late, found.arrived_after, found.captured_after) == (1, (30 * STEP,) * 3, (DELAY,) * 3)


def test_a_file_cut_in_a_record_is_never_clean() -> None:
    file = forge.pcap(datagrams(5))
    report = judge([Chunk(file[:-3])], {1: Expected(sent=4)})
    assert report.flows[1].clean
    assert "ends inside a record" in (report.broken or "")
    assert not report.clean
