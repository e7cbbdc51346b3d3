"""The pcap stream of tcpdump -> whole records for the host, as pcapng blocks or as they came.

Give it any cutting of the input; the output is the same. Format: draft-ietf-opsawg-pcap. One loop without a call per
packet, because its speed is our speed: `struct` packs a million packets per CPU-second, a library's blocks 43,000.
"""

from __future__ import annotations

import struct
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
LARGEST = 262144  # bytes of one packet: libpcap's MAXIMUM_SNAPLEN, and what the host accepts
_TEXT_LIMIT = 4096  # bytes kept of a first answer that is no capture
_EPB = struct.Struct("<IIIIIII")  # type, total length, interface, time high, time low, captured, original
_END = [struct.Struct("<" + "x" * pad + "I") for pad in range(4)]


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
    """`feed(data)` returns what can be written now. `packets` and `octets` count what was returned."""

    def __init__(self, *, pcapng: bool, interface: int = 0, limit: int = 0, octets: int = 0) -> None:
        self._pcapng = pcapng
        self._interface = interface
        self._limit = limit
        self._octet_limit = octets
        self._rest = b""
        self.header: Header | None = None
        self.packets = 0
        self.octets = 0
        self.full = False

    def feed(self, data: bytes | bytearray | memoryview) -> bytes:
        """Whole records of all fed so far, converted. The file header comes out only in pass-through mode (as the
        first bytes); for pcapng the caller writes the section from `header`. NotCaptureError.
        """
        buffer = self._rest + bytes(data)
        prefix = b""
        if self.header is None:
            if not self._looks_right(buffer) or len(buffer) < HEADER:
                self._rest = buffer
                return b""
            self.header = self._parse(buffer)
            prefix = b"" if self._pcapng else buffer[:HEADER]
            buffer = buffer[HEADER:]
        if self.full:
            return prefix
        return prefix + (self._blocks(buffer) if self._pcapng else self._records(buffer))

    def end(self) -> None:
        """The stream is over. NotCaptureError if what came was too short to be one; a cut last record is dropped."""
        if self.header is None and self._rest:
            raise NotCaptureError(printable(self._rest))

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

    def _blocks(self, buffer: bytes) -> bytes:
        assert self.header is not None
        unpack = struct.Struct(self.header.order + "IIII").unpack_from
        scale = 10**self.header.digits
        pack, interface = _EPB.pack, self._interface
        out: list[bytes] = []
        position, size = 0, len(buffer)
        while size - position >= RECORD:
            seconds, fraction, captured, original = unpack(buffer, position)
            end = position + RECORD + captured
            if captured > LARGEST:
                raise NotCaptureError(f"a packet of {captured} bytes")
            if end > size:
                break
            time = seconds * scale + fraction
            pad = -captured & 3
            total = 32 + captured + pad
            out += (
                pack(6, total, interface, time >> 32, time & 0xFFFFFFFF, captured, original),
                buffer[position + RECORD : end],
                _END[pad].pack(total),
            )
            position = end
            self.packets += 1
            self.octets += captured
            if self._reached():
                break
        self._rest = buffer[position:]
        return b"".join(out)

    def _records(self, buffer: bytes) -> bytes:
        assert self.header is not None
        unpack = struct.Struct(self.header.order + "I").unpack_from
        position, size = 0, len(buffer)
        while size - position >= RECORD:
            (captured,) = unpack(buffer, position + 8)
            if captured > LARGEST:
                raise NotCaptureError(f"a packet of {captured} bytes")
            if position + RECORD + captured > size:
                break
            position += RECORD + captured
            self.packets += 1
            self.octets += captured
            if self._reached():
                break
        self._rest = buffer[position:]
        return buffer[:position]

    def _reached(self) -> bool:
        packets = bool(self._limit) and self.packets >= self._limit
        octets = bool(self._octet_limit) and self.octets >= self._octet_limit
        self.full = packets or octets
        return self.full


def printable(data: bytes, limit: int = 200) -> str:
    return clip(data[:_TEXT_LIMIT].decode("utf-8", "replace"), limit)
