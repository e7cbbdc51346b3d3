"""Pieces of one read as one: a copy in a buffer that stays, for a call the less for each piece on all that follows."""

from __future__ import annotations

from collections.abc import Callable

ROOM = 1 << 20  # bytes; one read brings no more. Of a stream that is not busy only its first pages are ever touched


class Joined:
    """`use` gets what was added, joined, at `flush` or when the room is full; valid during that call only."""

    def __init__(self, use: Callable[[memoryview], None]) -> None:
        self._use = use
        self._room = memoryview(bytearray(ROOM))
        self._size = 0

    def add(self, piece: memoryview) -> None:
        end = self._size + len(piece)
        if end > ROOM:
            self.flush()
            end = len(piece)
            if end > ROOM:
                self._use(piece)
                return
        self._room[self._size : end] = piece
        self._size = end

    def flush(self, piece: memoryview | None = None) -> int:
        """`piece` is the last one, which need not be copied if it is the only one. How many bytes were handed on."""
        if piece:
            if not self._size:
                self._use(piece)
                return len(piece)
            self.add(piece)
        size, self._size = self._size, 0
        if size:
            self._use(self._room[:size])
        return size
