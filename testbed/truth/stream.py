"""One direction of a TCP connection: segments in, messages out, gaps survived."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from testbed.truth import mark
from testbed.truth.mark import HEADER, MAGIC, Mark

_WRAP = 1 << 32
# A hole that this much follows was not reordered but lost: far above any window that two pods open.
_PATIENCE = 8 << 20


class Message(NamedTuple):
    """A message and the times of the segment that brought its last byte."""

    mark: Mark
    time_ns: int
    arrived_ns: int | None


class _Piece(NamedTuple):
    data: bytes
    time_ns: int
    arrived_ns: int | None


class Stream:
    """Reassembles; `repeated` and `reordered` count segments that told nothing new or came behind a later one."""

    def __init__(self) -> None:
        self._next: int | None = None  # sequence number of the next byte, counted on beyond 32 bits
        self._waiting: dict[int, _Piece] = {}
        self._order: list[int] = []  # heap of the keys of _waiting
        self._farthest = 0  # start of the last segment that ever waited
        self._waiting_bytes = 0
        self._buffer = bytearray()
        self._lost_track = False  # after a gap the buffer may begin in the middle of a message
        self.repeated = self.reordered = 0

    def starts(self, sequence: int) -> None:
        """A SYN with this number was seen."""
        self._next = sequence + 1

    def feed(self, sequence: int, data: bytes, time_ns: int, arrived_ns: int | None) -> Iterator[Message]:
        if not data:
            return
        if self._next is None:
            self._next, self._lost_track = sequence, True
        at = self._next + ((sequence - self._next + _WRAP // 2) % _WRAP - _WRAP // 2)
        if at + len(data) <= self._next or at in self._waiting:
            self.repeated += 1
            return
        self.reordered += bool(self._waiting) and at < self._farthest
        self._waiting[at] = _Piece(data, time_ns, arrived_ns)
        heapq.heappush(self._order, at)
        self._farthest = max(self._farthest, at)
        self._waiting_bytes += len(data)
        yield from self._advance()
        while self._waiting_bytes > _PATIENCE:
            yield from self._leap()

    def finish(self) -> Iterator[Message]:
        """The end of the capture: what waits behind a gap comes out."""
        while self._waiting:
            yield from self._leap()

    def _leap(self) -> Iterator[Message]:
        self._next = self._order[0]
        self._buffer.clear()
        self._lost_track = True
        yield from self._advance()

    def _advance(self) -> Iterator[Message]:
        assert self._next is not None
        while self._order and self._order[0] <= self._next:
            at = heapq.heappop(self._order)
            piece = self._waiting.pop(at)
            self._waiting_bytes -= len(piece.data)
            fresh = piece.data[self._next - at :]
            self._next += len(fresh)
            self._buffer += fresh
            yield from self._messages(piece)

    def _messages(self, piece: _Piece) -> Iterator[Message]:
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= HEADER:
            found = mark.read(memoryview(buffer)[at : at + HEADER])
            if found is None:
                at = self._search(at + 1)
                self._lost_track = True
                continue
            if len(buffer) - at < found.size:
                break
            whole = mark.read(bytes(buffer[at : at + found.size]))
            assert whole is not None
            if not whole.intact and self._lost_track:
                at = self._search(at + 1)  # the magic stood there by chance
                continue
            self._lost_track = False
            yield Message(whole, piece.time_ns, piece.arrived_ns)
            at += found.size
        del buffer[:at]

    def _search(self, at: int) -> int:
        found = self._buffer.find(MAGIC, at)
        # its first bytes may be there and the rest still to come
        return found if found >= 0 else max(at, len(self._buffer) - len(MAGIC) + 1)
