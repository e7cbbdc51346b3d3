"""A gate before the API server: it ends TLS, sees each request, and can hold one at an exact moment.

`hold` names a request and a moment; the gate stops there, tells `reached`, and goes on at `release`. Beside that it can
freeze (nothing passes, nothing is lost: TCP's own retransmission), end every connection by FIN, or by RST. Who comes
in is told to the server by his bearer token; the gate has no credential of its own.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

PIECE = 65536
HEAD = 131072  # bytes of a request's or answer's head; Kubernetes takes 1 MiB, ours have six thousand

Moment = Literal["before the call", "before the answer", "after the answer"]


class Call(NamedTuple):
    """A request: its verb and what its target (path and query) matches from the start."""

    verb: str
    target: str

    def meets(self, line: str) -> bool:
        verb, _, rest = line.partition(" ")
        return verb == self.verb and re.match(self.target, rest) is not None


@dataclass(slots=True)
class Hold:
    """Where to stop. `drop`: the request never reaches the server, as its sender died before."""

    call: Call
    moment: Moment
    reached: threading.Event = field(default_factory=threading.Event)
    passed: asyncio.Event = field(default_factory=asyncio.Event)
    used: bool = False
    drop: bool = False


@dataclass(slots=True, eq=False)
class _Link:
    """One connection through the gate; `holds` of the requests whose answers are to come, in their order."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    holds: list[Hold | None] = field(default_factory=list)
    upgraded: asyncio.Event = field(default_factory=asyncio.Event)


class Gate:
    """Listens on a loopback port while its block is entered. `pki`: the bed's, for a certificate of 127.0.0.1."""

    def __init__(self, host: str, port: int, pki: Path) -> None:
        self._target = (host, port)
        self._mine = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._mine.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
        self._theirs = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._links: set[_Link] = set()
        self._open = asyncio.Event()
        self._hold: Hold | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def hold(self, call: Call, moment: Moment) -> Hold:
        """From now on: the first such request. One at a time."""
        self._hold = Hold(call, moment)
        return self._hold

    def release(self, *, drop: bool = False) -> None:
        """Goes on with what is held. `drop`: a request that was held before its call never gets there."""
        hold = self._hold
        if hold:
            hold.drop = drop
            self._loop.call_soon_threadsafe(hold.passed.set)

    def freeze(self) -> None:
        self._do(self._open.clear)

    def thaw(self) -> None:
        self._do(self._open.set)

    def fin(self) -> None:
        """Both sides of every connection hear its end, in good order but without a word of TLS."""
        self._do(lambda: self._end(reset=False))

    def reset(self) -> None:
        self._do(lambda: self._end(reset=True))

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, deed: Callable[[], object]) -> None:
        async def on_loop() -> None:
            deed()

        self._run(on_loop())

    def _run(self, deed: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(deed, self._loop)
        done.result(10)

    async def _listen(self) -> None:
        self._open.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._mine, limit=HEAD)
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        if self._hold:
            self._hold.drop = True
            self._hold.passed.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end(reset=True)
        await asyncio.sleep(0.05)  # an aborted transport closes its socket in the loop's next rounds

    def _end(self, *, reset: bool) -> None:
        links, self._links = self._links, set()
        for link in links:
            for side in (link.client, link.server):
                sock = side.transport.get_extra_info("socket")
                try:
                    if reset:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        side.transport.abort()
                    else:
                        sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended already

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, ssl.SSLError):
            pass  # one side is gone; the other is told below
        except asyncio.CancelledError:
            pass  # the gate closes
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._target
        await self._open.wait()
        answers, server = await asyncio.open_connection(host, port, ssl=self._theirs, limit=HEAD)
        link = _Link(writer, server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._up(link, reader))
                both.create_task(self._down(link, answers))
        except* (OSError, EOFError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            self._links.discard(link)
            server.transport.abort()

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        await self._open.wait()
        sink.write(data)
        await sink.drain()

    async def _up(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            hold = self._met(head.partition(b" HTTP/")[0].decode("latin-1"))
            link.holds.append(hold)
            if hold and hold.moment == "before the call":
                await _wait(hold)
                if hold.drop:
                    raise EOFError
            await self._pass(head + body, link.server)
            if b"\r\nupgrade: websocket" in head.lower():
                await link.upgraded.wait()
                await self._rest(reader, link.server)

    def _met(self, line: str) -> Hold | None:
        hold = self._hold
        if hold is None or hold.used or not hold.call.meets(line):
            return None
        hold.used = True
        return hold

    async def _down(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            hold = link.holds.pop(0) if link.holds else None
            if hold and hold.moment == "before the answer":
                await _wait(hold)
            status = int(head.split(b" ", 2)[1])
            await self._pass(head, link.client)
            if status == 101:
                link.upgraded.set()
            elif status not in (204, 304):
                await self._body(head, reader, link.client)
            if hold:
                hold.reached.set()
            if status == 101:
                await self._rest(reader, link.client)

    async def _body(self, head: bytes, reader: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        if b"transfer-encoding: chunked" not in head.lower():
            await self._pass(await reader.readexactly(_length(head)), sink)
            return
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size.partition(b";")[0], 16) + 2)
            await self._pass(size + chunk, sink)
            if int(size.partition(b";")[0], 16) == 0:
                return

    async def _rest(self, reader: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """An end is held too: on a network that is gone nobody hears that the other side has left."""
        while data := await reader.read(PIECE):
            await self._pass(data, sink)
        await self._open.wait()
        raise EOFError


async def _wait(hold: Hold) -> None:
    hold.reached.set()
    await hold.passed.wait()


def _length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
    return int(found[1]) if found else 0
