"""pcap in any cutting -> the same whole records; read back by a reader that shares nothing with the writer."""

from __future__ import annotations

import io
import itertools
import struct

import pcapng
import pcapng.blocks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s_extcap.wire.blocks import Interface, interface, section
from k8s_extcap.wire.pcap import LARGEST, NotCaptureError, Reader

Packet = tuple[int, int, bytes, int]  # seconds, fraction, data, original length


def pcap(packets: list[Packet], *, order: str = "<", nano: bool = False, link: int = 1) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    for seconds, fraction, data, original in packets:
        out += struct.pack(order + "IIII", seconds, fraction, len(data), original) + data
    return out


def take(reader: Reader, data: bytes, cuts: list[int]) -> tuple[bytes, str]:
    """As a stream does it, and what is wrong with it."""
    out, marks = b"", [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    try:
        for a, b in itertools.pairwise(marks):
            out += b"".join(bytes(piece) for piece in reader.take(memoryview(data[a:b])))
    except NotCaptureError as error:
        return out, error.text
    return out, reader.damage


# But for a first second whose four bytes say that blocks follow (wire/pcap.py): 1970, in the other order 1973.
packets_ = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999_999), st.binary(max_size=80), st.integers(1, 2**32 - 1)),
    max_size=12,
).filter(lambda packets: not packets or packets[0][0] not in (6, 6 << 24))


def feed(reader: Reader, data: bytes, cuts: list[int]) -> bytes:
    marks = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    return b"".join(reader.feed(data[a:b]) for a, b in itertools.pairwise(marks))


@given(packets_, st.lists(st.integers(0, 1500), max_size=10), st.sampled_from("<>"), st.booleans())
@settings(max_examples=300)
def test_any_cutting_gives_the_same(packets: list[Packet], cuts: list[int], order: str, nano: bool) -> None:
    data = pcap(packets, order=order, nano=nano)
    for pcapng_out in (True, False):
        whole, cut = Reader(pcapng=pcapng_out), Reader(pcapng=pcapng_out)
        assert feed(cut, data, cuts) == whole.feed(data)
        assert cut.packets == len(packets)
        assert cut.octets == sum(len(p[2]) for p in packets)
        if not pcapng_out:
            assert feed(Reader(pcapng=False), data, cuts) == data


@given(packets_, st.sampled_from("<>"), st.booleans())
def test_an_independent_reader_sees_the_same_packets(packets: list[Packet], order: str, nano: bool) -> None:
    reader = Reader(pcapng=True)
    body = reader.feed(pcap(packets, order=order, nano=nano))
    assert reader.header is not None
    digits = 9 if nano else 6
    assert reader.header.digits == digits
    start = section("test", "") + interface(Interface("if", "text", "tcp", 1, 262144, digits))
    blocks = [b for b in pcapng.FileScanner(io.BytesIO(start + body)) if isinstance(b, pcapng.blocks.EnhancedPacket)]
    assert [(b.packet_data, b.packet_len) for b in blocks] == [(p[2], p[3]) for p in packets]
    ticks = [(b.timestamp_high << 32) + b.timestamp_low for b in blocks]
    assert ticks == [p[0] * 10**digits + p[1] for p in packets]


@given(st.binary(min_size=1, max_size=300))
def test_garbage_ends_in_one_documented_error(data: bytes) -> None:
    reader = Reader(pcapng=True)
    text = ""
    try:
        reader.feed(data)
        reader.end()
    except NotCaptureError as error:
        text = error.text
    assert len(text) <= 200
    assert text.isprintable()


@given(st.binary(max_size=400))
def test_garbage_after_a_good_header(data: bytes) -> None:
    reader = Reader(pcapng=True)
    try:
        out = reader.feed(pcap([]) + data)
    except NotCaptureError as error:
        out = error.text.encode()
    assert len(out) <= 3 * len(data) + 200


def test_text_instead_of_a_capture_is_the_message() -> None:
    with pytest.raises(NotCaptureError) as caught:
        Reader(pcapng=True).feed(b"sh: tcpdump: not found\n\x1b[31mred")
    assert caught.value.text == "sh: tcpdump: not found [31mred"


def test_the_limit_cuts_after_that_many_packets() -> None:
    data = pcap([(1, 2, b"abcd", 4)] * 10)
    reader = Reader(pcapng=False, limit=3)
    out = reader.feed(data)
    assert reader.full
    assert len(out) == 24 + 3 * 20
    assert reader.feed(data[24:]) == b""
    assert reader.packets == 3


def test_the_limit_of_bytes_ends_with_the_packet_that_reaches_it() -> None:
    reader = Reader(pcapng=True, octets=5)
    reader.feed(pcap([(1, 2, b"abcd", 4)] * 10))
    assert (reader.packets, reader.octets, reader.full) == (2, 8, True)


def test_a_packet_larger_than_any_is_damage() -> None:
    record = struct.pack("<IIII", 0, 0, LARGEST + 1, LARGEST + 1)
    with pytest.raises(NotCaptureError):
        Reader(pcapng=True).feed(pcap([]) + record)


def test_a_short_beginning_is_no_capture() -> None:
    reader = Reader(pcapng=True)
    assert reader.feed(b"\xd4\xc3") == b""
    with pytest.raises(NotCaptureError):
        reader.end()


def test_the_check_sequence_bits_are_no_link_type() -> None:
    reader = Reader(pcapng=True)
    reader.feed(pcap([], link=1 | 0xF4000000))
    assert reader.header is not None
    assert reader.header.link_type == 1


def enhanced(packets: list[Packet], interface: int = 0) -> bytes:
    """What our tcpdump writes behind the header (payload/block_loop.h)."""
    out = b""
    for seconds, fraction, data, original in packets:
        ticks, pad = seconds * 1_000_000 + fraction, -len(data) & 3
        total = 32 + len(data) + pad
        out += struct.pack("<IIIIIII", 6, total, interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), original)
        out += data + bytes(pad) + struct.pack("<I", total)
    return out


@given(packets_, st.lists(st.integers(0, 1500), max_size=10), st.integers(0, 3))
@settings(max_examples=200)
def test_blocks_of_our_tcpdump_pass_in_any_cutting(packets: list[Packet], cuts: list[int], number: int) -> None:
    reader = Reader(pcapng=True, interface=number)
    assert feed(reader, pcap([]) + enhanced(packets), cuts) == enhanced(packets, number)
    assert reader.packets == len(packets)
    assert reader.octets == sum(len(p[2]) for p in packets)


@given(packets_.filter(lambda some: all(p[0] != 6 for p in some)))
def test_records_and_blocks_come_to_the_same(packets: list[Packet]) -> None:
    assert Reader(pcapng=True).feed(pcap(packets)) == Reader(pcapng=True).feed(pcap([]) + enhanced(packets))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
@given(data=st.data())
@settings(max_examples=50)
def test_a_second_in_which_the_lower_half_of_the_time_overflows(order: str, nano: bool, data: st.DataObject) -> None:
    """There and back again: several processors' packets are not in order, and a fraction may be of no second."""
    scale = 10**9 if nano else 10**6
    second = data.draw(st.integers(1, 300)) * 2**32 // scale
    around = 2**32 - second * scale % 2**32
    fractions = data.draw(
        st.lists(st.one_of(st.integers(0, 2**32 - 1), st.integers(-3, 3).map(lambda n: max(0, around + n) % 2**32)))
    )
    body = Reader(pcapng=True).feed(pcap([(second, f, b"abc", 3) for f in fractions], order=order, nano=nano))
    high_low = [struct.unpack_from("<II", body, n * 36 + 12) for n in range(len(fractions))]
    assert [(high << 32) + low for high, low in high_low] == [second * scale + f for f in fractions]


@pytest.mark.parametrize(
    "block",
    [
        struct.pack("<II", 5, 32) + bytes(24),
        struct.pack("<II", 6, 28) + bytes(24),
        struct.pack("<IIIIIII", 6, 40, 0, 0, 0, 100, 100) + bytes(12),
        struct.pack("<IIIIIII", 6, 0xFFFFFFFC, 0, 0, 0, 0xFFFFFFDC, 0) + bytes(4),
        enhanced([(1, 2, b"abc", 3)], interface=1),
        enhanced([(1, 2, b"abc", 3)])[:-4] + bytes(4),
        enhanced([(1, 2, bytes(LARGEST - 31), 3)]),
    ],
)
def test_a_damaged_block_ends_the_capture(block: bytes) -> None:
    good = enhanced([(1, 2, b"abc", 3)])
    reader = Reader(pcapng=True)
    assert reader.feed(pcap([]) + good + block) == good  # what is whole is kept
    assert reader.damage
    with pytest.raises(NotCaptureError, match="a block of type"):
        reader.pull()


def test_what_was_pulled_may_be_held_on_to() -> None:
    reader = Reader(pcapng=False)
    reader.push(pcap([(1, 2, b"abcd", 4)]))
    reader.pull()
    reader.push(pcap([(3, 4, b"efgh", 4)])[24:])
    held = reader.pull()
    reader.push(b"")
    assert bytes(held).endswith(b"efgh")
    assert reader.pull() == b""
    assert reader.packets == 2


@given(packets_, st.lists(st.integers(0, 1500), max_size=10), st.sampled_from("<>"), st.booleans(), st.integers(0, 2))
@settings(max_examples=200)
def test_a_stream_on_its_way_is_taken_in_any_cutting(
    packets: list[Packet], cuts: list[int], order: str, blocks: bool, number: int
) -> None:
    data = pcap([]) + enhanced(packets) if blocks else pcap(packets, order=order)
    reader = Reader(pcapng=True, interface=number)
    assert take(reader, data, cuts) == (Reader(pcapng=True, interface=number).feed(data), "")
    assert reader.packets == len(packets)
    assert reader.octets == sum(len(p[2]) for p in packets)


@given(packets_, st.binary(max_size=200), st.lists(st.integers(0, 1500), max_size=10), st.booleans())
@settings(max_examples=200)
def test_damage_is_found_wherever_a_stream_is_cut(
    packets: list[Packet], garbage: bytes, cuts: list[int], blocks: bool
) -> None:
    data = (pcap([]) + enhanced(packets) if blocks else pcap(packets)) + garbage
    whole, cut = Reader(pcapng=True), Reader(pcapng=True)
    out, wrong = take(whole, data, [])
    assert take(cut, data, cuts) == (out, wrong)
    assert (whole.packets, whole.octets) == (cut.packets, cut.octets)
