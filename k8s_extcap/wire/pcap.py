"""The pcap stream of tcpdump -> whole records for the host, as pcapng blocks or as they came.

Give it any cutting of the input; the output is the same. Format: draft-ietf-opsawg-pcap. One loop without a call per
packet, because its speed is our speed: `struct` packs a million packets per CPU-second, a library's blocks 43,000.

Our uploaded tcpdump writes a pcap header and then the enhanced packet blocks of pcapng: checked and passed on, which
is three times as fast again. They are told from records by the first word: a record of the year 1970 is none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from k8s_extcap.model.errors import clip

# First four bytes -> (byte order, fraction digits of a second).
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 6),
    b"\xa1\xb2\xc3\xd4": (">", 6),
    b"\x4d\x3c\xb2\xa1": ("<", 9),
    b"\xa1\xb2\x3c\x4d": (">", 9),
}
HEADER = 24  # bytes of the file header
RECORD = 16  # bytes before each packet
LARGEST = 262144  # bytes of one record or block: libpcap's MAXIMUM_SNAPLEN; dumpcap ends the capture at a longer one
_TEXT_LIMIT = 4096  # bytes kept of a first answer that is no capture
# An enhanced packet block: type 6, total length, interface, time high, time low, captured, original, then the data,
# padding, the total length again. Captured and original are the last two numbers of a pcap record, so they pass with
# the data. One packet's end and the next one's beginning are packed in one call, by the first one's `captured & 3`.
_EPB = struct.Struct("<IIIII").pack
_PADDING = ("", "xxx", "xx", "x")
_BETWEEN = tuple(struct.Struct("<" + pad + "IIIIII").pack for pad in _PADDING)
_END = tuple(struct.Struct("<" + pad + "I").pack for pad in _PADDING)
_SIZES = struct.Struct("<II").pack  # captured, original: of a record in the other byte order
_BLOCK = struct.Struct("<III8xI").unpack_from  # type, total length, interface, captured
# The same behind a block, in pairs: that block's total length and the type; total length and interface, which is 0.
_NEXT = struct.Struct("<QQ8xI").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_BLOCK_TYPE = b"\x06\0\0\0"
_TYPE_ABOVE = 6 << 32
_LOW = 0xFFFFFFFF
OVERHEAD = 32  # bytes of an enhanced packet block without options, beside the padded data
MOST = LARGEST - OVERHEAD  # bytes of a packet that fits a block


class NotCaptureError(Exception):
    """The stream is no capture, or is damaged. `text`: its first printable characters, for the error's sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Header:
    order: str
    digits: int
    snaplen: int
    link_type: int


class Reader:
    """`push` what came, then `pull` what can be written now. `packets` and `octets` count what was pulled; `damage`
    says what is wrong behind that, and the next `pull` raises it.

    `interface` is the number of its packets' interface in the file, or says it once the stream's header is known.
    """

    def __init__(
        self, *, pcapng: bool, interface: int | Callable[[Header], int] = 0, limit: int = 0, octets: int = 0
    ) -> None:
        self._pcapng = pcapng
        self._number = interface
        self._interface = 0
        self._limit = limit
        self._octet_limit = octets
        self._buffer = bytearray()
        self._view: memoryview | None = None  # of the buffer, while what was pulled may still be looked at
        self._done = 0  # bytes at the buffer's beginning that were pulled
        self._in_blocks: bool | None = None
        self.header: Header | None = None
        self.packets = 0
        self.octets = 0
        self.full = False
        self.damage = ""

    def push(self, data: bytes | bytearray | memoryview) -> int:
        """Takes a copy of the data, the only one on its way; how much waits. What was pulled before is gone."""
        if self._view is not None:
            self._forget()
        self._buffer += data
        return len(self._buffer)

    def pull(self) -> bytes | memoryview:
        """Whole records of all pushed so far, converted; to be used before the next `push`. The file header comes out
        only in pass-through mode (as the first bytes); for pcapng the caller writes the section from `header`.
        NotCaptureError.
        """
        self._told()
        if self._view is not None:
            self._forget()
        if self.header is None:
            start = bytes(self._buffer[:_TEXT_LIMIT])
            if not start or not self._looks_right(start) or len(start) < HEADER:
                return b""
            self.header = self._parse(start)
            self._interface = self._number(self.header) if callable(self._number) else self._number
            del self._buffer[:HEADER]
            if not self._pcapng:
                return start[:HEADER] + bytes(self._records_of())
        out = self._records_of()
        if not out:  # what is whole before the damage is given first, however the input is cut
            self._told()
        return out

    def _told(self) -> None:
        if self.damage:
            raise NotCaptureError(self.damage)

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """`push` and `pull` in one, with a copy that lasts."""
        self.push(data)
        return bytes(self.pull())

    def _records_of(self) -> bytes | memoryview:
        if self.full:
            return b""
        if self._in_blocks is None and len(self._buffer) >= RECORD:
            self._in_blocks = self._pcapng and self._buffer.startswith(_BLOCK_TYPE)
        self._view = view = memoryview(self._buffer)
        if self._in_blocks:
            return self._passed(view)
        return self._blocks(view) if self._pcapng else self._records(view)

    def _forget(self) -> None:
        """Drops what was pulled. A bytearray cuts at its beginning without moving the rest."""
        assert self._view is not None
        self._view.release()
        self._view = None
        try:
            del self._buffer[: self._done]
        except BufferError:  # somebody still holds a part, a traceback for example
            self._buffer = self._buffer[self._done :]
        self._done = 0

    def end(self) -> None:
        """The stream is over. NotCaptureError if what came was too short to be one; a cut last record is dropped."""
        if self.header is None and self._buffer:
            raise NotCaptureError(printable(bytes(self._buffer)))

    def _looks_right(self, buffer: bytes) -> bool:
        head = buffer[:4]
        if any(magic.startswith(head) for magic in _MAGIC):
            return True
        raise NotCaptureError(printable(buffer))

    def _parse(self, buffer: bytes) -> Header:
        order, digits = _MAGIC[buffer[:4]]
        _major, _minor, _zone, _sigfigs, snaplen, link = struct.unpack_from(order + "HHiIII", buffer, 4)
        # The upper bits of the link type say how long the frame check sequence is (section 4 of the draft).
        return Header(order, digits, snaplen, link & 0xFFFF)

    def _blocks(self, buffer: memoryview) -> bytes:
        """The hot loop: one unpack, one pack and one slice for each packet, no call and no attribute."""
        assert self.header is not None
        order, scale = self.header.order, 10**self.header.digits
        unpack, swapped = struct.Struct(order + "III").unpack_from, struct.Struct(order + "II").unpack_from
        interface, limited = self._interface, bool(self._limit or self._octet_limit)
        out: list[bytes | memoryview] = []
        append = out.append
        position, packets, last = 0, 0, len(buffer) - RECORD
        total, odd, second, base, high = 0, 0, -1, 0, 0
        while position <= last:
            seconds, fraction, captured = unpack(buffer, position)
            end = position + RECORD + captured
            if captured > MOST:
                self.damage = f"a packet of {captured} bytes"
                break
            if end - RECORD > last:
                break
            if seconds != second:
                second, base = seconds, seconds * scale & _LOW
                high = seconds * scale >> 32
            low, before, total = base + fraction, total, captured + 35 & -4
            above = high
            if low > _LOW:
                low, above = low & _LOW, high + (low >> 32)
            if packets:
                append(_BETWEEN[odd](before, 6, total, interface, above, low))
            else:
                append(_EPB(6, total, interface, above, low))
            if order == ">":
                append(_SIZES(*swapped(buffer, position + 8)))
                position += 8
            append(buffer[position + 8 : end])
            odd = captured & 3
            position = end
            packets += 1
            if limited and self._reached(packets, position - packets * RECORD):
                break
        if packets:
            append(_END[odd](total))
        self._count(packets, position - packets * RECORD, position)
        return b"".join(out)

    def _passed(self, buffer: memoryview) -> bytes | memoryview:
        """Enhanced packet blocks of interface 0, as they came. Anything else is damage: a host reads no further."""
        limited, size = bool(self._limit or self._octet_limit), len(buffer)
        position, packets, octets, last = 0, 0, 0, size - OVERHEAD
        kind, total, number, captured = _BLOCK(buffer) if last >= 0 else (6, OVERHEAD, 0, 0)
        wrong = kind != 6 or number != 0
        while True:
            end = position + total
            if wrong or total != captured + 35 & -4 or total > LARGEST:  # 35: OVERHEAD, rounded up by 4
                self.damage = f"a block of type {kind} with {total & _LOW} bytes"
                break
            if end > last:  # the header behind it has not come
                if end <= size and _LENGTH(buffer, end - 4)[0] == total:
                    position, packets, octets = end, packets + 1, octets + captured
                    if limited:
                        self._reached(packets, octets)
                elif end <= size:
                    self.damage = f"a block of type 6 with {total} and {_LENGTH(buffer, end - 4)[0]} bytes"
                break
            word, after, captured_behind = _NEXT(buffer, end - 4)
            if word != total | _TYPE_ABOVE:
                if word & _LOW != total:
                    self.damage = f"a block of type 6 with {total} and {word & _LOW} bytes"
                    break
                wrong, kind = True, word >> 32
            position = end
            packets += 1
            octets += captured
            total, captured = after, captured_behind
            if limited and self._reached(packets, octets):
                break
        self._count(packets, octets, position)
        passed = buffer[:position]
        return self._renumbered(passed) if self._interface else passed

    def _renumbered(self, blocks: memoryview) -> bytes:
        """For a source that is not the file's first."""
        out, position = bytearray(blocks), 0
        while position < len(out):
            struct.pack_into("<I", out, position + 8, self._interface)
            position += struct.unpack_from("<I", out, position + 4)[0]
        return bytes(out)

    def _records(self, buffer: memoryview) -> memoryview:
        assert self.header is not None
        unpack = struct.Struct(self.header.order + "I").unpack_from
        limited = bool(self._limit or self._octet_limit)
        position, packets, octets, size = 0, 0, 0, len(buffer)
        while size - position >= RECORD:
            (captured,) = unpack(buffer, position + 8)
            end = position + RECORD + captured
            if captured > LARGEST:
                self.damage = f"a packet of {captured} bytes"
                break
            if end > size:
                break
            position = end
            packets += 1
            octets += captured
            if limited and self._reached(packets, octets):
                break
        self._count(packets, octets, position)
        return buffer[:position]

    def _count(self, packets: int, octets: int, done: int) -> None:
        self.packets += packets
        self.octets += octets
        self._done = done

    def _reached(self, packets: int, octets: int) -> bool:
        enough = bool(self._limit) and self.packets + packets >= self._limit
        much = bool(self._octet_limit) and self.octets + octets >= self._octet_limit
        self.full = enough or much
        return self.full


def printable(data: bytes, limit: int = 200) -> str:
    return clip(data[:_TEXT_LIMIT].decode("utf-8", "replace"), limit)
