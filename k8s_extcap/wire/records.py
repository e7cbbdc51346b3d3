"""The packets themselves: records of pcap become enhanced packet blocks of pcapng, or pass; blocks pass.

One loop each, without a call or an attribute for a packet, because their speed is our speed: `struct` packs a million
packets per CPU-second, a library's blocks 43,000. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

RECORD = 16  # bytes before each packet
LARGEST = 262144  # bytes of one record or block: libpcap's MAXIMUM_SNAPLEN; dumpcap ends the capture at a longer one
# An enhanced packet block: type 6, total length, interface, time high, time low, captured, original, then the data,
# padding, the total length again. Captured and original are the last two numbers of a pcap record, so they pass with
# the data. One packet's end and the next one's beginning are packed in one call, by the first one's `captured & 3`.
_PADDING = ("", "xxx", "xx", "x")
_BETWEEN = tuple(struct.Struct("<" + pad + "IIIIII").pack for pad in _PADDING)
_END = tuple(struct.Struct("<" + pad + "I").pack for pad in _PADDING)
_RECORD = struct.Struct("<III").unpack_from  # seconds, their fraction, captured
_BIG, _LITTLE = struct.Struct(">IIII").unpack_from, struct.Struct("<IIII").pack_into
_BLOCK = struct.Struct("<III8xI").unpack_from  # type, total length, interface, captured
# The same behind a block, in pairs: that block's total length and the type; total length and interface, which is 0.
_NEXT = struct.Struct("<QQ8xI").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
BLOCK_TYPE = b"\x06\0\0\0"
_TYPE_ABOVE = 6 << 32
_LOW = 0xFFFFFFFF
OVERHEAD = 32  # bytes of an enhanced packet block without options, beside the padded data
MOST = LARGEST - OVERHEAD  # bytes of a packet that fits a block


class Most(NamedTuple):
    """Where to stop: behind the packet with which one of them is reached; 0 is never."""

    packets: int = 0
    octets: int = 0


ENDLESS = Most()


class Walked(NamedTuple):
    """What was whole at a buffer's beginning: as it is to be written, its counts, its length as it came. `damage` says
    what is wrong behind it.
    """

    out: bytes | memoryview
    packets: int
    octets: int
    done: int
    damage: str = ""


def to_blocks(buffer: memoryview, order: str, digits: int, interface: int, most: Most = ENDLESS) -> Walked:
    """Of records in that byte order, with so many digits behind the second, blocks of that interface.

    The loop is for what nearly all captures are, little-endian without a limit; the others are made so before.
    """
    if any(most):
        part = whole(buffer, order, most)
        done = to_blocks(buffer[: part.done], order, digits, interface)
        return done if done.damage else done._replace(damage=part.damage)
    if order == ">":
        buffer = _little(buffer)
    scale, unpack = 10**digits, _RECORD
    out: list[bytes | memoryview] = []
    append, between = out.append, _BETWEEN[0]
    position, last, damage = 0, len(buffer) - RECORD, ""
    total, second, base, high = 0, -1, 0, 0
    while position <= last:
        seconds, fraction, captured = unpack(buffer, position)
        behind = position + captured
        if behind > last or captured > MOST:
            damage = f"a packet of {captured} bytes" if captured > MOST else ""
            break
        if seconds != second:
            second, base, high = seconds, seconds * scale & _LOW, seconds * scale >> 32
        before, total = total, captured + 35 & -4
        try:
            append(between(before, 6, total, interface, high, base + fraction))
        except struct.error:  # the lower half is beyond 32 bits, or again before it; to ask costs every packet
            ticks = seconds * scale + fraction
            high, low = ticks >> 32, ticks & _LOW
            base = low - fraction
            append(between(before, 6, total, interface, high, low))
        append(buffer[position + 8 : behind + RECORD])
        between = _BETWEEN[captured & 3]
        position = behind + RECORD
    packets = len(out) // 2
    if packets:
        out[0] = out[0][4:]  # no block ends before the first
        append(_END[len(out[-1]) & 3](total))
    return Walked(b"".join(out), packets, position - packets * RECORD, position, damage)


def _little(records: memoryview) -> memoryview:
    """Big-endian records in the other byte order, as far as they are whole."""
    out, position = bytearray(records), 0
    while position + RECORD <= len(out):
        header = _BIG(out, position)
        _LITTLE(out, position, *header)
        position += RECORD + header[2]
    return memoryview(out)


def _enough(most: Most, packets: int, octets: int) -> bool:
    return 0 < most.packets <= packets or 0 < most.octets <= octets


def passed(buffer: memoryview, interface: int, most: Most = ENDLESS) -> Walked:
    """Enhanced packet blocks of interface 0, as they came, but for their interface. Anything else is damage: a host
    reads no further.
    """
    limited, size, damage = any(most), len(buffer), ""
    position, packets, octets, last = 0, 0, 0, size - OVERHEAD
    kind, total, number, captured = _BLOCK(buffer) if last >= 0 else (6, OVERHEAD, 0, 0)
    wrong = kind != 6 or number != 0
    while True:
        end = position + total
        if wrong or total != captured + 35 & -4 or total > LARGEST:  # 35: OVERHEAD, rounded up by 4
            damage = f"a block of type {kind} with {total & _LOW} bytes"
            break
        if end > last:  # the header behind it has not come
            if end <= size and _LENGTH(buffer, end - 4)[0] == total:
                position, packets, octets = end, packets + 1, octets + captured
            elif end <= size:
                damage = f"a block of type 6 with {total} and {_LENGTH(buffer, end - 4)[0]} bytes"
            break
        word, after, captured_behind = _NEXT(buffer, end - 4)
        if word != total | _TYPE_ABOVE:
            if word & _LOW != total:
                damage = f"a block of type 6 with {total} and {word & _LOW} bytes"
                break
            wrong, kind = True, word >> 32
        position = end
        packets += 1
        octets += captured
        total, captured = after, captured_behind
        if limited and _enough(most, packets, octets):
            break
    out = buffer[:position]
    return Walked(_renumbered(out, interface) if interface else out, packets, octets, position, damage)


def _renumbered(blocks: memoryview, interface: int) -> bytes:
    """For a source that is not the file's first."""
    out, position = bytearray(blocks), 0
    while position < len(out):
        struct.pack_into("<I", out, position + 8, interface)
        position += struct.unpack_from("<I", out, position + 4)[0]
    return bytes(out)


def whole(buffer: memoryview, order: str, most: Most = ENDLESS) -> Walked:
    """Records as they came."""
    unpack, limited, damage = struct.Struct(order + "I").unpack_from, any(most), ""
    position, packets, octets, size = 0, 0, 0, len(buffer)
    while size - position >= RECORD:
        (captured,) = unpack(buffer, position + 8)
        end = position + RECORD + captured
        if captured > LARGEST:
            damage = f"a packet of {captured} bytes"
            break
        if end > size:
            break
        position = end
        packets += 1
        octets += captured
        if limited and _enough(most, packets, octets):
            break
    return Walked(buffer[:position], packets, octets, position, damage)
