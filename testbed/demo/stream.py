"""Pipes of an exec'd process and the two pumps between them and the WebSocket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Self

from aiohttp import web

from testbed.demo import channels
from testbed.demo.faulty import StreamFault


class Pipes:
    """`theirs` are the process's descriptors 0, 1, 2; ours are non-blocking, None where nothing was asked for."""

    def __init__(self, theirs: list[int], stdin: int | None, stdout: int | None, stderr: int | None) -> None:
        self.theirs, self.stdin, self.stdout, self.stderr = theirs, stdin, stdout, stderr

    @classmethod
    def open(cls, *, stdin: bool, stdout: bool, stderr: bool) -> Self:
        in_theirs, in_ours = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), None)
        theirs, ours = [in_theirs], [in_ours]
        for wanted in (stdout, stderr):
            read, write = os.pipe() if wanted else (None, os.open(os.devnull, os.O_WRONLY))
            theirs.append(write)
            ours.append(read)
        for fd in ours:
            if fd is not None:
                os.set_blocking(fd, False)
        return cls(theirs, *ours)

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)

    def close_stdin(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def close(self) -> None:
        self.close_stdin()
        for fd in (self.stdout, self.stderr):
            if fd is not None:
                os.close(fd)
        self.stdout = self.stderr = None


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


async def pump_out(
    socket: web.WebSocketResponse, channel: int, fd: int, fault: StreamFault, closed: Callable[[], None]
) -> None:
    """Everything the process writes, in messages of at most 32 KiB, at the pace at which the client reads.

    `closed` is called when the process, and all that has inherited from it, has closed this stream.
    """
    prefix = bytes([channel])
    while True:
        try:
            data = os.read(fd, channels.FRAME)
        except BlockingIOError:
            await _readable(fd)
            continue
        if not data:
            break
        for piece in fault.pieces(prefix, data):
            await socket.send_bytes(prefix + await fault.before(piece))
    closed()
    if rest := fault.rest(prefix):
        await socket.send_bytes(prefix + rest)


async def pump_in(pipes: Pipes, data: bytes, fault: StreamFault) -> None:
    """One message for stdin; what the process no longer wants is dropped."""
    data = fault.input(data)
    while data and pipes.stdin is not None:
        size = await fault.input_piece(len(data))
        try:
            data = data[os.write(pipes.stdin, data[:size]) :]
        except BlockingIOError:
            await _writable(pipes.stdin)
        except BrokenPipeError:
            return
    if fault.input_ends:
        pipes.close_stdin()
