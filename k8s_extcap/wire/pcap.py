"""The pcap stream of tcpdump -> whole records for the host, as pcapng blocks or as they came.

Give it any cutting of the input; the output is the same. Format: draft-ietf-opsawg-pcap.

Our uploaded tcpdump writes a pcap header and then the enhanced packet blocks of pcapng: checked and passed on, which
takes half the time. They are told from records by the first word: a record of the year 1970 is none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from k8s_extcap.model.errors import clip
from k8s_extcap.wire import records
from k8s_extcap.wire.records import BLOCK_TYPE, LARGEST, MOST, OVERHEAD, RECORD, Most

__all__ = ["HEADER", "LARGEST", "MOST", "Header", "NotCaptureError", "Reader"]

# First four bytes -> (byte order, fraction digits of a second).
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 6),
    b"\xa1\xb2\xc3\xd4": (">", 6),
    b"\x4d\x3c\xb2\xa1": ("<", 9),
    b"\xa1\xb2\x3c\x4d": (">", 9),
}
HEADER = 24  # bytes of the file header
_TEXT_LIMIT = 4096  # bytes kept of a first answer that is no capture


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
        self._most = Most(limit, octets)
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

    def take(self, data: memoryview) -> tuple[bytes | memoryview, ...]:
        """`push` and `pull` in one for a stream that is on its way: only the packet that the read before cut is copied,
        the others stay where they are. To be used while `data` is valid. NotCaptureError.
        """
        if self._in_blocks is None or any(self._most) or self.damage:
            self.push(data)
            return (self.pull(),)
        first: bytes | memoryview = b""
        if self._view is not None:
            self._forget()
        if self._buffer:
            rest = self._missing(data)
            self._buffer += data[:rest]
            data = data[rest:]
            first = bytes(self._records_of())  # it may be renumbered, but is no view: what follows replaces the buffer
            self._forget()
            if self._buffer or self.damage:
                self._buffer += data
                return (first,)
        out = self._walk(data)
        self._buffer += data[self._done :]
        self._done = 0
        return first, out

    def _missing(self, data: memoryview) -> int:
        """Bytes of the data that the record lacks whose beginning waits."""
        assert self.header is not None
        have, need = len(self._buffer), OVERHEAD if self._in_blocks else RECORD
        head = bytes(self._buffer[:need]) + data[: max(0, need - have)]
        if len(head) < need:
            return len(data)
        at, order, more = (4, "<", 0) if self._in_blocks else (8, self.header.order, RECORD)
        length: int = struct.unpack_from(order + "I", head, at)[0]
        return max(0, min(len(data), length + more - have))

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
            self._in_blocks = self._pcapng and self._buffer.startswith(BLOCK_TYPE)
        self._view = memoryview(self._buffer)
        return self._walk(self._view)

    def _walk(self, buffer: memoryview) -> bytes | memoryview:
        assert self.header is not None
        left = Most(
            self._most.packets and self._most.packets - self.packets,
            self._most.octets and self._most.octets - self.octets,
        )
        if self._in_blocks:
            found = records.passed(buffer, self._interface, left)
        elif self._pcapng:
            found = records.to_blocks(buffer, self.header.order, self.header.digits, self._interface, left)
        else:
            found = records.whole(buffer, self.header.order, left)
        self.packets += found.packets
        self.octets += found.octets
        self._done, self.damage = found.done, found.damage
        self.full = 0 < self._most.packets <= self.packets or 0 < self._most.octets <= self.octets
        return found.out

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
            raise NotCaptureError(_printable(bytes(self._buffer)))

    def _looks_right(self, buffer: bytes) -> bool:
        head = buffer[:4]
        if any(magic.startswith(head) for magic in _MAGIC):
            return True
        raise NotCaptureError(_printable(buffer))

    def _parse(self, buffer: bytes) -> Header:
        order, digits = _MAGIC[buffer[:4]]
        _major, _minor, _zone, _sigfigs, snaplen, link = struct.unpack_from(order + "HHiIII", buffer, 4)
        # The upper bits of the link type say how long the frame check sequence is (section 4 of the draft).
        return Header(order, digits, snaplen, link & 0xFFFF)


def _printable(data: bytes) -> str:
    return clip(data[:_TEXT_LIMIT].decode("utf-8", "replace"), 200)
