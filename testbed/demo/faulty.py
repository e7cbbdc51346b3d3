"""An exec stream with at most one fault: the hooks that the pumps call. Without a fault each is the plain thing."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator

from aiohttp import web

from testbed.demo.channels import FRAME
from testbed.demo.faults import Fault, Kind

_FOREVER = 1 << 62


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with a TCP reset, not an orderly end: SO_LINGER of zero (socket(7))."""
    if isinstance(transport, asyncio.WriteTransport):
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class StreamFault:
    def __init__(self, fault: Fault | None, request: web.Request) -> None:
        self._fault = fault
        self._kind = fault.kind if fault else None
        self._request = request
        self._sent = self._taken = 0
        self._held: dict[bytes, bytes] = {}
        self._last = time.monotonic()
        self._idle: asyncio.Task[None] | None = None
        if self._kind is Kind.IDLE_CUT:
            self._idle = asyncio.ensure_future(self._cut_when_idle())

    @property
    def status_first(self) -> bool:
        return self._kind is Kind.STATUS_FIRST

    @property
    def no_status(self) -> bool:
        return self._kind is Kind.NO_STATUS

    @property
    def hide_exit(self) -> bool:
        return self._kind is Kind.TAIL_LOST

    @property
    def _bytes(self) -> int:
        return self._fault.bytes if self._fault else 0

    @property
    def _seconds(self) -> float:
        return self._fault.seconds if self._fault else 0.0

    async def at_start(self) -> None:
        """Before the first message."""
        if self._kind is Kind.NO_FIRST_BYTE:
            await asyncio.sleep(self._seconds or _FOREVER)

    # output

    def pieces(self, prefix: bytes, data: bytes) -> Iterator[bytes]:
        """How what was read is cut into messages."""
        if self._kind is Kind.TRICKLE:
            yield from (data[n : n + 1] for n in range(len(data)))
        elif self._kind is Kind.MULTIPLES:
            held = self._held.get(prefix, b"") + data
            whole = len(held) // FRAME * FRAME
            self._held[prefix] = held[whole:]
            yield from (held[n : n + FRAME] for n in range(0, whole, FRAME))
        elif self._kind is Kind.TAIL_LOST and prefix == b"\x01":
            held = self._held.get(prefix, b"") + data
            keep = max(0, len(held) - self._bytes)
            self._held[prefix] = held[keep:]
            yield from (held[n : min(n + FRAME, keep)] for n in range(0, keep, FRAME))
        else:
            yield data

    def rest(self, prefix: bytes) -> bytes:
        """What was held back and is sent when the process ends."""
        return self._held.pop(prefix, b"") if self._kind is Kind.MULTIPLES else b""

    async def before(self, piece: bytes) -> bytes:
        """Called before each message of output; gives what is sent of it."""
        self._last = time.monotonic()
        if self._kind in (Kind.RESET, Kind.FREEZE):
            room = self._bytes - self._sent
            if room <= 0:
                await self._break()
            piece = piece[:room]
            if len(piece) == room:
                self._stop_reading()  # before the client can have seen the last byte
        self._sent += len(piece)
        return piece

    async def _break(self) -> None:
        if self._kind is Kind.RESET:
            reset(self._request.transport)
            raise ConnectionResetError("reset on request")
        await asyncio.sleep(_FOREVER)

    def _stop_reading(self) -> None:
        transport = self._request.transport
        if self._kind is Kind.FREEZE and isinstance(transport, asyncio.ReadTransport):
            transport.pause_reading()

    async def _cut_when_idle(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)
        if self._request.transport is not None:
            self._request.transport.abort()

    # input

    def input(self, data: bytes) -> bytes:
        """What of a message for stdin gets through."""
        self._last = time.monotonic()
        if self._kind is Kind.STDIN_CUT:
            data = data[: max(0, self._bytes - self._taken)]
        self._taken += len(data)
        return data

    @property
    def input_ends(self) -> bool:
        return self._kind is Kind.STDIN_CUT and self._taken >= self._bytes

    async def input_piece(self, size: int) -> int:
        """How many of `size` bytes to take next; slow readers wait first, a tenth of a second's worth at a time."""
        if self._kind is not Kind.SLOW_READER:
            return size
        await asyncio.sleep(0.1)
        return max(1, min(size, self._bytes // 10))

    def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
