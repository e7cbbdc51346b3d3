"""The mark in each message that `sender` sends: which, when, and whether it is whole."""

import struct
import zlib
from typing import NamedTuple

MAGIC = b"K8TX"
HEADER = 32
_FIELDS = struct.Struct(">4sIQQI")  # magic, flow, sequence, sent_ns, size; a CRC-32 of 4 bytes follows
_CRC_AT = _FIELDS.size


class Mark(NamedTuple):
    """One message. `sent_ns` is the sender's CLOCK_REALTIME; `intact` is None where its end was not captured."""

    flow: int
    sequence: int
    sent_ns: int
    size: int
    intact: bool | None


def read(message: bytes | memoryview) -> Mark | None:
    """The mark at the start of `message`; None where there is none. What follows `size` bytes is not looked at."""
    if len(message) < HEADER:
        return None
    magic, flow, sequence, sent_ns, size = _FIELDS.unpack_from(message)
    if magic != MAGIC or size < HEADER:
        return None
    if len(message) < size:
        return Mark(flow, sequence, sent_ns, size, None)
    said = int.from_bytes(message[_CRC_AT:HEADER], "big")
    # filler first: so the sender computes its share of the sum once
    crc = zlib.crc32(message[:_CRC_AT], zlib.crc32(message[HEADER:size]))
    return Mark(flow, sequence, sent_ns, size, crc == said)


def write(flow: int, sequence: int, sent_ns: int, size: int) -> bytes:
    """The message that `sender` would send, for files made by hand."""
    filler = bytes((at * 31 + flow) & 0xFF for at in range(HEADER, size))
    head = _FIELDS.pack(MAGIC, flow, sequence, sent_ns, size)
    return head + zlib.crc32(head, zlib.crc32(filler)).to_bytes(4, "big") + filler
