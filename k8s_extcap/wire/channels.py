"""The remote command protocol over WebSocket messages, versions 4 and 5, as a pure machine.

The first byte of a message names its channel (k8s.io/apimachinery/pkg/util/remotecommand/constants.go): 0 stdin,
1 stdout, 2 stderr, 3 status, 4 resize; version 5 adds 255, whose one payload byte names a channel to close.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from k8s_extcap.model.objects import UNREADABLE, Status

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
OFFER = (V5, V4)

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

_CODE = re.compile(r"-?[0-9]{1,10}")  # of a 32-bit number
STATUS_LIMIT = 65536  # bytes: a status is some hundred bytes; what comes from a pod's side is not trusted further


@dataclass(frozen=True, slots=True)
class Exit:
    """How the remote command ended. `code` None: it never ran, or nobody knows; `message` is the server's text."""

    code: int | None
    reason: str = ""
    message: str = ""


class Channels:
    """Give it each frame of the connection; it says which channel the bytes belong to.

    The first message is often an empty one on stdout ("established"); empty messages are no end of anything.
    """

    def __init__(self, protocol: str) -> None:
        self._v5 = protocol == V5
        self._open = STDOUT
        self._status = bytearray()
        self.closed: set[int] = set()

    def receive(self, payload: memoryview, continued: bool = False) -> tuple[int, memoryview]:
        """(channel, data) of a frame; `continued` for the continuation frames of a fragmented message."""
        if not continued and payload and payload[0] == STDOUT:  # nearly all of them
            self._open = STDOUT
            return STDOUT, payload[1:]
        if continued:
            channel, data = self._open, payload
        elif not payload:
            return STDOUT, payload
        else:
            channel = self._open = payload[0]
            data = payload[1:]
        if channel == STATUS:
            self._status += data[: STATUS_LIMIT - len(self._status)]
        elif channel == CLOSE and len(data) == 1:
            self.closed.add(data[0])
        return channel, data

    @property
    def exit(self) -> Exit | None:
        """The end of the command as channel 3 told it, None while it has not."""
        return parse_exit(bytes(self._status)) if self._status else None

    @staticmethod
    def stdin(data: bytes) -> bytes:
        return b"\x00" + data

    def close_stdin(self) -> bytes | None:
        """The message that closes stdin, None where the protocol has none (version 4)."""
        return bytes((CLOSE, STDIN)) if self._v5 else None


def parse_exit(data: bytes) -> Exit:
    """The Status on channel 3. It has no `kind`; the exit code stands among the causes, as text."""
    try:
        status = msgspec.json.decode(data, type=Status)
    except UNREADABLE:
        return Exit(None, "Unreadable", data[:200].decode(errors="replace"))
    if status.status == "Success":
        return Exit(0)
    causes = status.details.causes if status.details else ()
    for cause in causes:
        if cause.reason == "ExitCode" and _CODE.fullmatch(cause.message):
            return Exit(int(cause.message), status.reason, status.message)
    return Exit(None, status.reason, status.message)
