"""The exec stream on a real connection, its frames cut and mixed as servers and networks do it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command, ExecStream, open_exec
from k8s_extcap.kube.pulse import Liveness
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from k8s_extcap.wire import pace

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SUCCESS = b'\x03{"metadata":{},"status":"Success"}'


def frame(kind: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """RFC 6455, section 5.2, without a mask: a server's."""
    size = len(payload)
    length = bytes((size,)) if size < 126 else b"\x7e" + struct.pack(">H", size)
    return bytes((kind | 0x80 * fin,)) + length + payload


def out(data: bytes) -> bytes:
    return frame(BINARY, b"\x01" + data)


class Collect:
    def __init__(self) -> None:
        self.stream: ExecStream | None = None
        self.pieces: list[bytes] = []
        self.errors = b""

    def stdout(self, data: memoryview, /) -> None:
        self.pieces.append(bytes(data))

    def stderr(self, data: bytes, /) -> None:
        self.errors += data

    @property
    def output(self) -> bytes:
        return b"".join(self.pieces)


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))  # one system call, so one read on the other side

    async def read(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(2)
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        if size > 1000:
            return head[0] & 15, data  # only its length is looked at
        return head[0] & 15, bytes(b ^ mask[n % 4] for n, b in enumerate(data))


Script = Callable[[Peer, Collect], Awaitable[None]]


def play(script: Script, handler: Collect | None = None, life: Liveness | None = None) -> tuple[ExecStream, Collect]:
    """Runs the script against a stream, until both have ended."""
    collect = handler or Collect()
    done: list[ExecStream] = []

    async def work() -> None:
        finished = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            magic = key.split(b": ")[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(magic).digest())
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            while collect.stream is None:
                await asyncio.sleep(0.005)
            try:
                await script(Peer(reader, writer), collect)
                finished.set_result(None)
            except BaseException as error:
                finished.set_exception(error)
            finally:
                writer.close()

        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full, for a peer that does not read
        listener.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(serve, sock=listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        stream = await open_exec(session(url), Command("ns", "pod", "main", ("x",)), collect, life=life or Liveness())
        collect.stream = stream
        done.append(stream)
        async with asyncio.timeout(30):
            await finished
            await stream.ended
        server.close()

    asyncio.run(work())
    return done[0], collect


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))


def session(url: str) -> Session:
    kubeconfig = Path(os.environ["K8S_EXTCAP_HOME"], "kubeconfig")
    kubeconfig.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n"
        "users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    return open_session(Connection(kubeconfig=str(kubeconfig)))


def test_the_frames_of_one_read_come_as_one_piece() -> None:
    async def script(peer: Peer, collect: Collect) -> None:
        peer.send(*(out(bytes((n,)) * 100) for n in range(50)))
        while len(collect.output) < 5000:
            await asyncio.sleep(0.01)
        assert len(collect.pieces) == 1
        peer.send(out(b"alone"))

    _, collect = play(script)
    assert collect.output == b"".join(bytes((n,)) * 100 for n in range(50)) + b"alone"


def test_while_many_come_they_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred messages in 0.2 s at least: waking for each costs more than what it brings."""
    monkeypatch.setattr(pace, "SHORT", 0.05)

    async def script(peer: Peer, collect: Collect) -> None:
        fd = os.dup(peer.writer.get_extra_info("socket").fileno())

        def talk() -> None:  # beside the loop, which both ends share
            for n in range(100):
                os.write(fd, out(b"%04d" % n))
                time.sleep(0.002)
            os.close(fd)

        await asyncio.to_thread(talk)
        while len(collect.output) < 400:
            await asyncio.sleep(0.01)

    _, collect = play(script)
    assert collect.output == b"".join(b"%04d" % n for n in range(100))
    assert len(collect.pieces) <= 30


@pytest.mark.parametrize("cut", [1, 2, 3, 99, 104, 105, 106, 250])
def test_a_read_may_end_anywhere_in_a_frame(cut: int) -> None:
    wire = b"".join(out(bytes((n,)) * 100) for n in range(9))

    async def script(peer: Peer, _: Collect) -> None:
        for start in range(0, len(wire), cut):
            peer.send(wire[start : start + cut])
            await peer.writer.drain()
            await asyncio.sleep(0.001)

    assert play(script)[1].output == b"".join(bytes((n,)) * 100 for n in range(9))


def test_what_stands_before_the_status_and_the_close_of_the_same_read_is_kept() -> None:
    async def script(peer: Peer, _: Collect) -> None:
        peer.send(out(b"tail"), frame(BINARY, b"\x02words"), frame(BINARY, SUCCESS), frame(CLOSE, b"\x03\xe8"))

    stream, collect = play(script)
    assert (collect.output, collect.errors) == (b"tail", b"words")
    assert stream.exit is not None
    assert stream.exit.code == 0


def test_a_ping_behind_packets_is_answered_and_holds_them_not_up() -> None:
    async def script(peer: Peer, collect: Collect) -> None:
        peer.send(out(b"one"), out(b"two"), frame(PING, b"there?"))
        assert await peer.read() == (PONG, b"there?")
        assert collect.output == b"onetwo"

    play(script)


def test_a_message_in_fragments_is_of_its_first_ones_channel() -> None:
    async def script(peer: Peer, _: Collect) -> None:
        peer.send(frame(BINARY, b"\x01ab", fin=False), frame(0, b"\x02c", fin=False), frame(0, b"\x01d"), out(b"e"))
        peer.send(frame(BINARY, b"\x02x", fin=False), frame(0, b"\x01y"), frame(BINARY), frame(BINARY, b"\x01"))

    _, collect = play(script)
    assert (collect.output, collect.errors) == (b"ab\x02c\x01de", b"x\x01y")


def test_packets_before_a_broken_frame_are_kept() -> None:
    async def script(peer: Peer, _: Collect) -> None:
        peer.send(out(b"one"), out(b"two"), out(b"lost"), bytes((0x8B, 0)))  # the library drops the one before

    assert play(script)[1].output.startswith(b"onetwo")


def test_a_handler_that_fails_ends_the_stream_and_is_asked_no_more() -> None:
    class Failing(Collect):
        def stdout(self, data: memoryview, /) -> None:
            super().stdout(data)
            raise ValueError("no capture")

    async def script(peer: Peer, collect: Collect) -> None:
        peer.send(out(b"one"))
        while not collect.output:
            await asyncio.sleep(0.01)
        peer.send(out(b"two"))

    stream, collect = play(script, Failing())
    assert isinstance(stream.failure, ValueError)
    assert collect.output == b"one"


QUICK = Liveness(ping=0.1, frozen=0.4, unacknowledged=300)


def test_a_paused_stream_needs_no_pong_and_a_reading_one_does() -> None:
    async def script(peer: Peer, collect: Collect) -> None:
        assert collect.stream
        peer.send(out(b"one"))
        while not collect.output:
            await asyncio.sleep(0.01)
        collect.stream.pause()
        await asyncio.sleep(3 * QUICK.frozen)  # our pings come, nobody answers
        assert not collect.stream.ended.done()
        collect.stream.resume()
        peer.send(out(b"two"))
        while collect.output != b"onetwo":
            await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            await collect.stream.ended

    stream, collect = play(script, life=QUICK)
    assert stream.frozen
    assert collect.output == b"onetwo"


def test_a_paused_stream_outlives_a_peer_that_takes_nothing() -> None:
    """Its window is shut for longer than what is sent may stay unsent while we read."""
    size = 8 << 20

    async def script(peer: Peer, collect: Collect) -> None:
        assert collect.stream
        collect.stream.pause()
        await asyncio.sleep(3 * QUICK.ping)
        collect.stream.send(bytes(size))
        await asyncio.sleep(6 * QUICK.unacknowledged / 1000)
        assert not collect.stream.ended.done()
        kind, data = await peer.read()
        while kind == PING:
            kind, data = await peer.read()
        assert len(data) == size + 1
        peer.send(out(b"alive"), frame(CLOSE, b"\x03\xe8"))
        collect.stream.resume()

    assert play(script, life=QUICK)[1].output == b"alive"
