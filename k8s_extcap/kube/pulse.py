"""How a dead connection is noticed: our pings, and what nobody acknowledges.

The library's own pings end a stream that is paused. Ours also keep balancers from cutting a quiet one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from dataclasses import dataclass
from typing import Protocol

FROZEN = 15.0  # seconds without any frame although pings were sent: three of them unanswered


@dataclass(frozen=True, slots=True)
class Liveness:
    """Seconds, but `unacknowledged`."""

    ping: float = 5.0  # far below the 60 s of impatient balancers
    frozen: float = FROZEN
    unacknowledged: int = 10_000  # ms: bytes that nobody acknowledges so long mean that the peer is gone (Linux)


LIVENESS = Liveness()


class Connection(Protocol):
    """What is kept alive. `paused`: nothing of it is read now. `ping` is False once it is gone."""

    @property
    def paused(self) -> bool: ...
    def ping(self) -> bool: ...
    def abort(self) -> None: ...


class Pulse:
    """Beats from `start` to `stop`. `heard` is to be set to time.monotonic() at each frame; `frozen` says that it has
    aborted the connection.
    """

    def __init__(self, life: Liveness) -> None:
        self._life = life
        self._task: asyncio.Task[None] | None = None
        self.heard = time.monotonic()
        self.frozen = False

    @property
    def silence(self) -> float:
        """Seconds since the last frame."""
        return time.monotonic() - self.heard

    def start(self, connection: Connection, sock: socket.socket | None) -> None:
        self._task = asyncio.get_running_loop().create_task(self._beat(connection, sock))

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    async def _beat(self, connection: Connection, sock: socket.socket | None) -> None:
        """A pong is demanded only while we read: it stands behind all that we have not read. Nor are acknowledgements
        then, as a proxy that cannot hand on to us may not read from us either.
        """
        paused = False
        _patience(sock, self._life.unacknowledged)
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._life.ping)
            if time.monotonic() - before > 2 * self._life.ping:
                self.heard = time.monotonic()  # this process stood still: what came meanwhile is to be read first
            if connection.paused != paused:
                paused = connection.paused
                _patience(sock, 0 if paused else self._life.unacknowledged)
            if not connection.ping():
                return
            if not paused and self.silence > self._life.frozen:
                self.frozen = True
                connection.abort()
                return


def _patience(sock: socket.socket | None, milliseconds: int) -> None:
    """How long what we sent may stay unacknowledged, or unsent for want of the peer's window; 0: the system's."""
    if sock is not None and sys.platform == "linux":  # elsewhere our ping alone notices it
        with contextlib.suppress(OSError):  # a proxy's socket may be of another kind
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
