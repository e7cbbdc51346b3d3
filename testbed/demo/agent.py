"""The API server's side of the node: starts the node process and speaks with it over a socket pair."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from testbed.demo.host import linux
from testbed.demo.host.spec import MESSAGE_LIMIT, Container, Sandbox, decode, encode
from testbed.demo.modes import Mode, prefix

_SOURCE = Path(__file__).resolve().parents[2]
# The node answers a start within milliseconds; on a busy machine copying the images takes a second or two.
_START_SECONDS = 60


class NodeError(Exception):
    """The node could not do what was asked; the text is the runtime's."""


class Ended(NamedTuple):
    """How an exec ended. `error` is set when its command could not be started at all."""

    code: int
    error: str


class Agent:
    """Use within one event loop. `on_ended(container, code)` is called when a container's first process ends,
    `on_lost()` when the node itself does.
    """

    def __init__(self, mode: Mode, folder: Path, tcpdump: str, tools: Sequence[str] = ()) -> None:
        self.on_ended: Callable[[str, int], None] = lambda _container, _code: None
        self.on_lost: Callable[[], None] = lambda: None
        self._mode = mode
        self._command = [str(folder), tcpdump, *tools]
        self._numbers = itertools.count(1)
        self._sandboxes: set[str] = set()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def pid(self) -> int:
        """The process that owns the node: `unshare`, or the node itself in replay mode."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        module = "testbed.demo.replay" if self._mode is Mode.REPLAY else "testbed.demo.host"
        fd = self._theirs.fileno()
        argv = [*prefix(self._mode), sys.executable, "-m", module, str(fd), *self._command]
        # -P and the path: the node must find this very checkout, wherever it was started from.
        env = {**os.environ, "PYTHONPATH": f"{_SOURCE}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")}
        self._process = subprocess.Popen(
            argv,
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=env,
            start_new_session=True,  # Ctrl+C goes to the server, which then ends the node
            # Replay's node must live on for a moment: no kernel takes its processes with it, so it does that itself.
            preexec_fn=None if self._mode is Mode.REPLAY else _follow_parent,  # noqa: PLW1509  this process has one thread
        )
        self._theirs.close()
        self._socket.setblocking(False)
        ready = asyncio.get_running_loop().create_future()
        self._waiting[0] = ready
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        await asyncio.wait_for(ready, _START_SECONDS)

    async def add_sandbox(self, spec: Sandbox) -> None:
        self._sandboxes.add(spec.id)
        await self._ask("sandbox", spec)

    def has_sandbox(self, sandbox: str) -> bool:
        return sandbox in self._sandboxes

    async def remove_sandbox(self, sandbox: str) -> None:
        """Ends everything in it. Twice is once."""
        if sandbox in self._sandboxes:
            self._sandboxes.discard(sandbox)
            await self._ask("remove", sandbox)

    async def start_container(self, spec: Container) -> None:
        await self._ask("container", spec)

    async def stop_container(self, container: str) -> None:
        """SIGTERM to its first process."""
        await self._ask("stop", container)

    def execute(self, container: str, argv: Sequence[str], streams: Sequence[int]) -> tuple[int, asyncio.Future[Any]]:
        """Run a command with these three descriptors; the future gives its end (see `ended`)."""
        return self._send("exec", container, streams, argv=list(argv))

    async def kill(self, number: int) -> None:
        """Kill the command of an exec by the number that `execute` gave."""
        await self._ask("kill", number)

    @staticmethod
    def ended(answer: dict[str, Any]) -> Ended:
        return Ended(int(answer["value"]), answer.get("error", ""))

    def close(self) -> None:
        """End the node and with it every process of the demo cluster."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    async def _ask(self, op: str, value: Any) -> None:
        _, future = self._send(op, value, ())
        answer = await future
        if error := answer.get("error"):
            raise NodeError(error)

    def _send(self, op: str, value: Any, fds: Sequence[int], **more: Any) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        # A few hundred bytes into an empty socket: a full buffer would mean a node that hangs, which is an error.
        socket.send_fds(self._socket, [encode(op, number, value, **more)], list(fds))
        return number, future

    def _read(self) -> None:
        while True:
            try:
                raw = self._socket.recv(MESSAGE_LIMIT)
            except BlockingIOError:
                return
            except OSError:
                raw = b""
            if not raw:
                self._lose()
                return
            message = decode(raw)
            if message["op"] == "ended":
                self.on_ended(message["value"], message["code"])
            elif (future := self._waiting.pop(message["n"], None)) is not None and not future.done():
                future.set_result(message)

    def _lose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NodeError("The node process of the demo cluster has ended; see its stderr."))
        self._waiting.clear()
        self.on_lost()


def _follow_parent() -> None:
    linux.die_with_parent(signal.SIGKILL)


def find_tcpdump() -> str:
    """The machine's tcpdump, for the images that have one; empty if there is none."""
    return shutil.which("tcpdump", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") or ""
