r"""The exec stream: a WebSocket to pods/exec. The one place that imports `picows`.

    stream = await open_exec(session, spec, handler)   handler gets stdout in batches, stderr, and the end
    stream.send(b"line\n")      stream.pause() / resume()      await stream.ended      stream.exit

Versions 5 and 4 of the channel protocol are offered.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import picows

from k8s_extcap.kube import handshake, refused
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.pulse import LIVENESS, Liveness, Pulse
from k8s_extcap.kube.unreached import unreached
from k8s_extcap.model import paths
from k8s_extcap.model.errors import ConnectError, ExtcapError, RemoteError
from k8s_extcap.wire import channels
from k8s_extcap.wire.channels import Channels, Exit
from k8s_extcap.wire.joined import ROOM, Joined
from k8s_extcap.wire.pace import Pace

URL_LIMIT = 4096  # bytes of the request line: it passes proxies and stands in audit logs
READ = ROOM  # bytes that one read brings at most. A quarter of it costs a third more CPU, 16 KiB twice as much
RECORDS = READ // 16384 * (16384 + 64)  # the same with what TLS adds to each of its records
FULL = READ * 7 // 8  # bytes of a read behind which more may wait
CHUNK = 65536  # bytes of one stdin message while uploading; 32-128 KiB cost the same

BINARY, CONTINUATION = picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION
CLOSE, PING, PONG = picows.WSMsgType.CLOSE, picows.WSMsgType.PING, picows.WSMsgType.PONG
_NOTHING = memoryview(b"")


class Handler(Protocol):
    """Called on the event loop. `stdout` gets what one read of the connection brought; its view is valid during the
    call only.
    """

    def stdout(self, data: memoryview, /) -> None: ...
    def stderr(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Command:
    namespace: str
    pod: str
    container: str
    argv: tuple[str, ...]


class ExecStream(picows.WSListener):
    """One running exec. `ended` resolves when the connection is gone; `exit` is then what channel 3 said, or None
    where the connection was cut before it.
    """

    def __init__(self, handler: Handler, life: Liveness = LIVENESS) -> None:
        self._handler = handler
        self._channels = Channels(channels.V4)
        self._transport: picows.WSTransport | None = None
        self.paused = False
        self._stdout = Joined(self._hand_on)
        self._pace = Pace(READ, self._room)
        self._pulse = Pulse(life)
        self._socket: socket.socket | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.protocol = ""
        self.failure: BaseException | None = None

    @property
    def connected(self) -> bool:
        """Whether the handshake succeeded, though the connection may be gone again."""
        return self._transport is not None

    @property
    def exit(self) -> Exit | None:
        return self._channels.exit

    @property
    def silence(self) -> float:
        """Seconds since the last frame."""
        return self._pulse.silence

    @property
    def frozen(self) -> bool:
        """Whether the peer said nothing any more, and we ended it."""
        return self._pulse.frozen

    # picows calls these

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        self.protocol = transport.response.headers.get("Sec-WebSocket-Protocol", "") or channels.V4
        self._channels = Channels(self.protocol)
        self._socket = transport.underlying_transport.get_extra_info("socket")
        self._pulse.start(self, self._socket)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind, piece = frame.msg_type, frame.get_payload_as_memoryview()
        # Nearly all frames: what is said about each other kind is said in a method of its own.
        if kind is BINARY and frame.fin and piece and piece[0] == channels.STDOUT:
            piece = piece[1:]
        else:
            piece = self._other(transport, frame, kind, piece)
        if not frame.last_in_buffer:
            self._stdout.add(piece)
            return
        brought = self._stdout.flush(piece)
        now = time.monotonic()
        self._pace.brought(brought, now)
        rest = self._pace.rest
        if now - self._pulse.heard < rest and brought < FULL and not self.paused:
            # Busy: the read before this was no longer ago. Asleep, not with a paused reader, as nothing here is more
            # urgent, and pausing costs as much as it saves.
            time.sleep(rest)
            now = time.monotonic()
        self._pulse.heard = now

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        self._stdout.flush()  # what came with a frame that breaks the protocol, and ended the connection
        self._pulse.stop()
        if not self.ended.done():
            self.ended.set_result(None)

    def _other(
        self, transport: picows.WSTransport, frame: picows.WSFrame, kind: picows.WSMsgType, payload: memoryview
    ) -> memoryview:
        """What of a rarer frame belongs to stdout."""
        if kind is CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return _NOTHING
        if kind is PING:
            transport.send_pong(payload)
        if kind in (PING, PONG):
            return _NOTHING
        channel, data = self._channels.receive(payload, kind is CONTINUATION)
        if channel == channels.STDOUT:
            return data
        if channel == channels.STDERR and data:
            try:
                self._handler.stderr(bytes(data))
            except Exception as error:
                self._failed(error)
        return _NOTHING

    def _hand_on(self, data: memoryview) -> None:
        if not self.failure:
            try:
                self._handler.stdout(data)
            except Exception as error:
                self._failed(error)

    def _room(self) -> int:
        """Bytes of the socket's buffer; 0 where it cannot be asked."""
        try:
            return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) if self._socket else 0
        except OSError:  # a proxy's socket may be of another kind
            return 0

    def _failed(self, error: Exception) -> None:
        """Else the library would log it and cut the stream without a word to the user."""
        self.failure = self.failure or error
        self.abort()

    # ours

    def send(self, data: bytes) -> None:
        """Bytes for the command's stdin. Silently nothing once the connection is gone: the end is told by `ended`."""
        if self._transport and not self._transport.is_disconnected:
            self._transport.send(picows.WSMsgType.BINARY, Channels.stdin(data))

    async def upload(self, data: bytes) -> None:
        """All of `data`, a chunk at a time so that other streams go on meanwhile."""
        for start in range(0, len(data), CHUNK):
            self.send(data[start : start + CHUNK])
            await asyncio.sleep(0)

    def close_stdin(self) -> bool:
        """False where the protocol cannot (version 4)."""
        message = self._channels.close_stdin()
        if message and self._transport and not self._transport.is_disconnected:
            self._transport.send(picows.WSMsgType.BINARY, message)
        return message is not None

    def pause(self) -> None:
        if not self.paused and self._transport:
            self.paused = True
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        if self.paused and self._transport:
            self.paused = False
            self._pulse.heard = time.monotonic()
            self._transport.underlying_transport.resume_reading()

    def ping(self) -> bool:
        """False once the connection is gone."""
        if not self._transport or self._transport.is_disconnected:
            return False
        self._transport.send_ping(b"k8s-extcap")
        return True

    def close(self) -> None:
        """Ends the connection in good order. Output still under way is lost: first wait for `exit`."""
        if self._transport and not self._transport.is_disconnected:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def abort(self) -> None:
        if self._transport:
            self._transport.disconnect(graceful=False)


async def open_exec(session: Session, command: Command, handler: Handler, *, life: Liveness = LIVENESS) -> ExecStream:
    """Starts the command. The errors are the refused handshake's, by what the user can do about them."""
    query: list[tuple[str, str]] = [("command", word) for word in command.argv]
    query += [("container", command.container)] if command.container else []
    query += [("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
    path = f"{paths.one('pod', command.namespace, command.pod)}/exec?{urlencode(query)}"
    if len(path) > URL_LIMIT:
        raise RemoteError(
            f"The command for pod {command.namespace}/{command.pod} is too long for one request ({len(path)} bytes, "
            f"{URL_LIMIT} are passed everywhere). Shorten the capture filter."
        )
    headers = {"User-Agent": session.user_agent, "Sec-WebSocket-Protocol": ",".join(channels.OFFER)}
    login = session.login
    given = await asyncio.to_thread(login.current) if login.due else login.held  # a plugin may run for seconds
    if given.authorization:
        headers["Authorization"] = given.authorization
    stream = ExecStream(handler, life)
    # Not annotated by the library: it passes the rest on to loop.create_connection.
    extra: dict[str, Any] = {"server_hostname": session.server_hostname} if session.server_hostname else {}
    if given.tls:
        extra["ssl_incoming_bio_size"] = RECORDS
    try:
        await picows.ws_connect(
            lambda: stream,
            session.server.replace("http", "ws", 1) + path,
            ssl_context=given.tls,
            websocket_handshake_timeout=session.timeout,
            extra_headers=headers,
            max_redirects=0,
            read_buffer_init_size=READ,
            enable_auto_pong=False,  # the listener would not see a ping that is the last frame of a read
            proxy=session.proxy or None,
            **extra,
        )
    except picows.WSHandshakeError as error:
        raise await asyncio.to_thread(_refused, session, command, path, error) from error
    except Exception as error:  # the proxies' libraries have trees of their own
        raise ConnectError(unreached(session.server, error, session.proxy)) from error
    if not stream.connected:
        # The library takes a connection that ends before the answer for an established one.
        raise ConnectError(refused.broken_off(session.server, "no answer"))
    return stream


def _refused(session: Session, command: Command, path: str, error: picows.WSHandshakeError) -> ExtcapError:
    if error.response is None:
        return ConnectError(refused.broken_off(session.server, str(error)))
    status, body = error.response.status.value, error.raw_body or b""
    if "chunked" in str(error.response.headers.get("Transfer-Encoding", "")):
        body = body.partition(b"\r\n")[2].rpartition(b"\r\n0")[0]
    return handshake.refused(session, command.namespace, command.pod, command.container, path, status, body)
