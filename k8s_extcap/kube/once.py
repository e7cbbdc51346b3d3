"""A small command in a container, run to its end over an exec of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command, open_exec
from k8s_extcap.model.errors import RemoteError
from k8s_extcap.wire.channels import Exit


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

    def stdout(self, data: memoryview, /) -> None:
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
