"""The control loop of the node: requests from the API server in, starts and ends of processes out."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from typing import Any, Protocol

from testbed.demo.host.process import CannotStartError, wait_code
from testbed.demo.host.spec import MESSAGE_LIMIT, Sandbox, container_of, decode, encode


class Backend(Protocol):
    """What runs the processes: `runtime.Runtime` in namespaces, `replay.Replay` without."""

    def add_sandbox(self, spec: Sandbox) -> None: ...
    def remove_sandbox(self, sandbox: str) -> None: ...
    def start(self, spec: Any) -> Any: ...
    def stop(self, container: str) -> None: ...
    def ended(self, shim: int) -> str | None: ...
    def execute(self, container: str, argv: tuple[str, ...], streams: list[int], told: int) -> int: ...
    def __contains__(self, container: str) -> bool: ...


class Node:
    def __init__(self, control: socket.socket, backend: Backend) -> None:
        self._control = control
        self._backend = backend
        # Shim of an exec -> its request number and the pipe that says why it could not start.
        self._execs: dict[int, tuple[int, int]] = {}

    def serve(self) -> None:
        """Runs until the control socket closes."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._send(encode("ready", 0))
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == wake_read:
                        os.read(wake_read, 4096)
                        self._reap()
                    elif not self._take():
                        return

    def _send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            sys.exit(0)  # the API server is gone; so are we, and with process 1 the kernel ends the rest

    def _take(self) -> bool:
        try:
            raw, fds, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 3)
        except OSError:
            return False
        if not raw:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)
        message = decode(raw)
        number = message["n"]
        try:
            self._obey(message, fds)
        except CannotStartError as error:
            self._send(encode("reply", number, error=str(error)))
        except (OSError, KeyError) as error:
            self._send(encode("reply", number, error=f"{type(error).__name__}: {error}"))
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _obey(self, message: dict[str, Any], fds: list[int]) -> None:
        number, value = message["n"], message["value"]
        match message["op"]:
            case "sandbox":
                self._backend.add_sandbox(Sandbox(**value))
            case "remove":
                self._backend.remove_sandbox(value)
            case "container":
                self._backend.start(container_of(value))
            case "stop":
                self._backend.stop(value)
            case "exec":
                self._exec(number, value, tuple(message["argv"]), fds)
                return
            case "kill":
                self._kill(value)
            case other:
                raise KeyError(f"unknown request {other}")
        self._send(encode("reply", number))

    def _exec(self, number: int, container: str, argv: tuple[str, ...], fds: list[int]) -> None:
        if container not in self._backend:
            self._send(encode("exit", number, 128, error="container not running"))
            return
        told_read, told_write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(told_read, False)
        shim = self._backend.execute(container, argv, fds, told_write)
        os.close(told_write)
        self._execs[shim] = (number, told_read)

    def _kill(self, number: int) -> None:
        for shim, (of, _) in self._execs.items():
            if of == number:
                os.kill(shim, signal.SIGTERM)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._execs:
                self._report_exec(pid, wait_code(status))
            elif (container := self._backend.ended(pid)) is not None:
                self._send(encode("ended", 0, container, code=wait_code(status)))

    def _report_exec(self, shim: int, code: int) -> None:
        number, told = self._execs.pop(shim)
        try:
            error = os.read(told, 8192).lstrip(b"!").decode(errors="replace")
        except BlockingIOError:
            error = ""  # a descendant still holds the pipe; it is past its execve then
        os.close(told)
        self._send(encode("exit", number, code, error=error))
