r"""The exec stream: a WebSocket to pods/exec. The one place that imports `picows`.

    stream = await open_exec(session, spec, handler)   handler gets stdout in batches, stderr, and the end
    stream.send(b"line\n")      stream.pause() / resume()      await stream.ended      stream.exit

Versions 5 and 4 of the channel protocol are offered. The library's own pings stay off: they end a stream that is
paused. Ours every 5 s keep balancers from cutting an idle stream and notice a frozen one while we do read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import picows

from k8s_extcap.kube import refused
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.unreached import unreached
from k8s_extcap.model.errors import ConnectError, CredentialError, ExtcapError, RefusedError, RemoteError
from k8s_extcap.wire import channels
from k8s_extcap.wire.channels import Channels, Exit

_log = logging.getLogger(__name__)

PING = 5.0  # seconds; half of TCP_USER_TIMEOUT, far below the 60 s of impatient balancers
FROZEN = 15.0  # seconds without any frame although pings were sent: three of them unanswered
USER_TIMEOUT = 10_000  # ms: bytes unacknowledged so long mean that the peer is gone (Linux)
URL_LIMIT = 4096  # bytes of the request line: it passes proxies and stands in audit logs
READ = 131072  # bytes of one read: what a TLS connection brings at 30 MB/s; the default of 16 KiB costs a third more
CHUNK = 65536  # bytes of one stdin message while uploading; 32-128 KiB cost the same


CLOSE, PONG, CONTINUATION = picows.WSMsgType.CLOSE, picows.WSMsgType.PONG, picows.WSMsgType.CONTINUATION


class Handler(Protocol):
    """Called on the event loop. `stdout`'s view is valid during the call only; `last`: no more is buffered now."""

    def stdout(self, data: memoryview, last: bool, /) -> None: ...
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

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._channels = Channels(channels.V4)
        self._transport: picows.WSTransport | None = None
        self._paused = False
        self._heard = time.monotonic()
        self._pinger: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.protocol = ""
        self.frozen = False
        self.failure: BaseException | None = None

    @property
    def connected(self) -> bool:
        """Whether the handshake succeeded, though the connection may be gone again."""
        return self._transport is not None

    @property
    def exit(self) -> Exit | None:
        return self._channels.exit

    # picows calls these

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        self.protocol = transport.response.headers.get("Sec-WebSocket-Protocol", "") or channels.V4
        self._channels = Channels(self.protocol)
        sock = transport.underlying_transport.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):  # a proxy's socket may be of another kind
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self._pinger = asyncio.get_running_loop().create_task(self._keep_alive())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        last = frame.last_in_buffer
        if last:
            self._heard = time.monotonic()
        if kind is CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if kind is PONG:
            return
        channel, data = self._channels.receive(frame.get_payload_as_memoryview(), kind is CONTINUATION)
        try:
            if channel == channels.STDOUT:
                self._handler.stdout(data, last)
            elif channel == channels.STDERR and data:
                self._handler.stderr(bytes(data))
        except Exception as error:  # else picows would log it and cut the stream without a word to the user
            self.failure = self.failure or error
            self.abort()

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        if self._pinger:
            self._pinger.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

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
        if not self._paused and self._transport:
            self._paused = True
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport:
            self._paused = False
            self._heard = time.monotonic()
            self._transport.underlying_transport.resume_reading()

    def close(self) -> None:
        """Ends the connection in good order. Output still under way is lost: first wait for `exit`."""
        if self._transport and not self._transport.is_disconnected:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def abort(self) -> None:
        if self._transport:
            self._transport.disconnect(graceful=False)

    async def _keep_alive(self) -> None:
        while self._transport and not self._transport.is_disconnected:
            await asyncio.sleep(PING)
            self._transport.send_ping(b"k8s-extcap")
            if not self._paused and time.monotonic() - self._heard > FROZEN:
                self.frozen = True
                self.abort()


async def open_exec(session: Session, command: Command, handler: Handler, *, stdin: bool = True) -> ExecStream:
    """Starts the command. The errors are the refused handshake's, by what the user can do about them."""
    query: list[tuple[str, str]] = [("command", word) for word in command.argv]
    query += [("container", command.container)] if command.container else []
    query += [("stdin", "true")] if stdin else []
    query += [("stdout", "true"), ("stderr", "true")]
    path = f"/api/v1/namespaces/{command.namespace}/pods/{command.pod}/exec?{urlencode(query)}"
    if len(path) > URL_LIMIT:
        raise RemoteError(
            f"The command for pod {command.namespace}/{command.pod} is too long for one request ({len(path)} bytes, "
            f"{URL_LIMIT} are passed everywhere). Shorten the capture filter."
        )
    headers = {"User-Agent": session.user_agent, "Sec-WebSocket-Protocol": ",".join(channels.OFFER)}
    if session.authorization:
        headers["Authorization"] = session.authorization
    stream = ExecStream(handler)
    # Not annotated by the library: it passes the rest on to loop.create_connection.
    extra: dict[str, Any] = {"server_hostname": session.server_hostname} if session.server_hostname else {}
    try:
        await picows.ws_connect(
            lambda: stream,
            session.server.replace("http", "ws", 1) + path,
            ssl_context=session.ssl_context,
            websocket_handshake_timeout=session.timeout,
            extra_headers=headers,
            max_redirects=0,
            read_buffer_init_size=READ,
            proxy=session.proxy or None,
            **extra,
        )
    except picows.WSHandshakeError as error:
        raise await asyncio.to_thread(_refused, session, command, path, error) from error
    except (TimeoutError, OSError, Exception) as error:  # the proxies' libraries have trees of their own
        raise ConnectError(unreached(session.server, error, session.proxy)) from error
    if not stream.connected:
        # The library takes a connection that ends before the answer for an established one.
        raise ConnectError(refused.broken_off(session.server, "no answer"))
    return stream


def _refused(session: Session, command: Command, path: str, error: picows.WSHandshakeError) -> ExtcapError:
    """The whole refusal: the library keeps only what had arrived of its body, so the request is repeated plainly."""
    status = error.response.status.value if error.response else 0
    body, pod = error.raw_body or b"", f"{command.namespace}/{command.pod}"
    if not status:
        return ConnectError(refused.broken_off(session.server, str(error)))
    try:
        session.api.get(path)
    except RefusedError as told:
        if told.status == status and told.server_text:
            return refused.explain(told, pod, command.container)
    except ExtcapError as told:
        if isinstance(told, CredentialError):
            return told
        _log.info("the refusal could not be asked for again: %s", told)
    text = body.partition(b"\r\n")[2].rpartition(b"\r\n0")[0] if _chunked(error) else body
    told_now = refused.refusal(status, text, "exec", session.server)
    if not isinstance(told_now, RefusedError):
        return told_now
    # The plain request passes where only the right to upgrade is missing, and the words of that refusal may be cut.
    if status == 403 and session.api.may("create", "pods", namespace=command.namespace, subresource="exec") is False:
        return refused.no_create(told_now, pod)
    return refused.explain(told_now, pod, command.container)


def _chunked(error: picows.WSHandshakeError) -> bool:
    return error.response is not None and "chunked" in str(error.response.headers.get("Transfer-Encoding", ""))


@dataclass(frozen=True, slots=True)
class Result:
    """A small command's output, each side cut at `LIMIT` bytes, and its exit (None: cut before its status)."""

    stdout: bytes
    stderr: bytes
    exit: Exit | None


class _Collect:
    LIMIT = 1 << 20  # bytes; a probe prints some hundred

    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()

    def stdout(self, data: memoryview, _last: bool, /) -> None:
        self.out += data[: self.LIMIT - len(self.out)]

    def stderr(self, data: bytes, /) -> None:
        self.err += data[: self.LIMIT - len(self.err)]


async def run_exec(session: Session, command: Command, stdin: bytes = b"", *, timeout: float = 10.0) -> Result:
    """Runs a small command to its end. Version 4 cannot close stdin: a command reads what it knows to come.

    Errors as `open_exec`; RemoteError if it does not end in time.
    """
    collect = _Collect()
    stream = await open_exec(session, command, collect)
    try:
        if stdin:
            await stream.upload(stdin)
        async with asyncio.timeout(timeout):
            await stream.ended
    except TimeoutError as error:
        raise RemoteError(
            f"A command in pod {command.namespace}/{command.pod} did not end within {timeout:.0f} s. The node or its "
            "container runtime may be overloaded; try again."
        ) from error
    finally:
        stream.abort()
    return Result(bytes(collect.out), bytes(collect.err), stream.exit)
