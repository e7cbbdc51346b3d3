"""Sandboxes, containers and exec'd commands in real namespaces. Runs inside the node process only."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple, NoReturn

from testbed.demo.host import linux, net, traffic
from testbed.demo.host.image import Images, enter_root
from testbed.demo.host.process import (
    CannotStartError,
    environment,
    execute,
    take_identity,
    take_streams,
    wait_code,
)
from testbed.demo.host.spec import Container, Sandbox


class Running(NamedTuple):
    """A container's first process, as the node sees it, and the shim that waits for it."""

    spec: Container
    shim: int
    pid: int


class Runtime:
    """Namespaces are unnamed: they vanish with the processes, and those with the node's process 1."""

    def __init__(self, folder: Path, images: Images) -> None:
        self._folder = folder
        self._images = images
        self._sandboxes: dict[str, tuple[Sandbox, int]] = {}
        self._containers: dict[str, Running] = {}
        self._index = 0

    # sandboxes

    def add_sandbox(self, spec: Sandbox) -> None:
        ready_read, ready_write = os.pipe()
        go_read, go_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_read)
            os.close(go_write)
            _guarded(lambda: _pause(spec, ready_write, go_read), ready_write)
        os.close(ready_write)
        os.close(go_read)
        try:
            self._connect(spec, pid, ready_read, go_write)
        finally:
            os.close(ready_read)
            os.close(go_write)
        self._sandboxes[spec.id] = (spec, pid)

    def _connect(self, spec: Sandbox, pid: int, ready: int, go: int) -> None:
        _expect(ready)
        if not spec.host_network:
            self._index += 1
            net.join(pid, self._index)
        os.write(go, b"1")
        _expect(ready)

    def remove_sandbox(self, sandbox: str) -> None:
        for running in [r for r in self._containers.values() if r.spec.sandbox == sandbox]:
            os.kill(running.pid, signal.SIGKILL)
        _, pid = self._sandboxes.pop(sandbox)
        os.kill(pid, signal.SIGKILL)

    # containers

    def start(self, spec: Container) -> Running:
        """Start a container; raises `CannotStartError` with the runtime's words."""
        sandbox, pause = self._sandboxes[spec.sandbox]
        told_read, told_write = os.pipe()
        shim = os.fork()
        if shim == 0:
            os.close(told_read)
            _guarded(lambda: self._shim(spec, sandbox, pause, told_write), told_write)
        os.close(told_write)
        pid, error = _read_start(told_read)
        if error:
            raise CannotStartError(error)
        running = Running(spec, shim, pid)
        self._containers[spec.id] = running
        return running

    def _shim(self, spec: Container, sandbox: Sandbox, pause: int, told: int) -> NoReturn:
        linux.enter(pause, "net")
        linux.enter(pause, "uts")
        if spec.join_pid_of:
            linux.enter(self._containers[spec.join_pid_of].pid, "pid")
            linux.unshare(linux.CLONE_NEWNS)
        else:
            linux.unshare(linux.CLONE_NEWNS | (0 if spec.host_pid else linux.CLONE_NEWPID))
        first = os.fork()
        if first == 0:
            os.setsid()
            _guarded(lambda: self._first_process(spec, sandbox), told)
        os.write(told, f"{first}\n".encode())
        os.close(told)
        wait_and_leave(first)

    def _first_process(self, spec: Container, sandbox: Sandbox) -> None:
        tree = self._images.tree(spec.image)
        state = self._folder / "var/lib/kubelet/pods" / spec.pod_uid
        root = self._folder / "root"
        enter_root(
            tree,
            root,
            hostname=sandbox.hostname,
            ipv4=sandbox.ipv4,
            read_only=spec.read_only,
            state=state,
            container=spec.id,
            volumes=spec.volumes,
        )
        null = os.open("/dev/null", os.O_RDWR)
        take_streams([null, null, 2 if spec.program else null])
        if spec.program:
            env = dict(spec.env) | {"HOSTNAME": sandbox.hostname}
            _close_from(3)
            # Real small servers do not reap; the kernel may do it here, so that the demo collects no zombies.
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            linux.set_process_name(spec.program)
            linux.limit_capabilities(frozenset({"NET_BIND_SERVICE", "NET_RAW"}), ambient=os.getuid() != 0)
            traffic.run(spec.program, env)
        take_identity(spec)
        execute(spec.argv, environment(spec, sandbox.hostname))

    def stop(self, container: str) -> None:
        running = self._containers.get(container)
        if running is not None:
            os.kill(running.pid, signal.SIGTERM)

    def ended(self, shim: int) -> str | None:
        """The container whose shim this was; it counts as gone from now on."""
        for name, running in self._containers.items():
            if running.shim == shim:
                del self._containers[name]
                return name
        return None

    # exec

    def execute(self, container: str, argv: tuple[str, ...], streams: list[int], told: int) -> int:
        """Run a command in a container; gives the pid of its shim, which ends with the command's exit code.

        `told` receives the reason if the command cannot be started, else nothing.
        """
        running = self._containers[container]
        sandbox, _ = self._sandboxes[running.spec.sandbox]
        shim = os.fork()
        if shim == 0:
            _guarded(lambda: _exec_shim(running, sandbox, argv, streams, told), told)
        return shim

    def __contains__(self, container: str) -> bool:
        return container in self._containers


def _pause(spec: Sandbox, ready: int, go: int) -> None:
    linux.unshare(linux.CLONE_NEWUTS | (0 if spec.host_network else linux.CLONE_NEWNET))
    linux.set_hostname(spec.hostname)
    linux.set_process_name("pause")
    os.write(ready, b"1")
    os.read(go, 1)
    if not spec.host_network:
        net.configure(spec.ipv4, spec.ipv6)
    os.write(ready, b"1")
    _close_from(3)
    while True:
        signal.pause()


def _exec_shim(running: Running, sandbox: Sandbox, argv: tuple[str, ...], streams: list[int], told: int) -> NoReturn:
    namespaces = ("uts", "net", "pid", "mnt")
    held = [os.open(f"/proc/{running.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in namespaces]
    for fd in held:
        linux.enter_fd(fd)
    child = os.fork()
    if child == 0:
        os.setsid()
        take_streams(streams)
        os.chdir(running.spec.cwd)
        take_identity(running.spec)
        _guarded(lambda: execute(argv, environment(running.spec, sandbox.hostname)), told)
    # The runtime's `kill` of an exec reaches the command itself, not what it has started.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    for fd in streams:
        os.close(fd)
    os.close(told)
    wait_and_leave(child)


def wait_and_leave(child: int) -> NoReturn:
    _, status = os.waitpid(child, 0)
    os._exit(wait_code(status))


def _guarded(act: object, told: int) -> NoReturn:
    """Run in a forked child: whatever goes wrong is told to the parent; the child never returns into its code."""
    try:
        assert callable(act)
        act()
        os._exit(0)
    except BaseException as error:
        text = str(error) if isinstance(error, CannotStartError) else f"{type(error).__name__}: {error}"
        try:
            os.write(told, f"!{text}".encode())
        except OSError:
            os.write(2, f"demo node: {text}\n".encode())  # it had started already: a traffic program failed
    os._exit(128)  # the code of a container that could not be started (kubelet: StartError, 128)


def _expect(ready: int) -> None:
    answer = os.read(ready, 4096)
    if answer != b"1":
        raise CannotStartError(answer.lstrip(b"!").decode(errors="replace") or "the sandbox ended at once")


def _read_start(told: int) -> tuple[int, str]:
    raw = b""
    while chunk := os.read(told, 4096):
        raw += chunk
    os.close(told)
    head, _, error = raw.partition(b"!")
    return int(head.strip() or b"0"), error.decode(errors="replace")


def _close_from(first: int) -> None:
    os.closerange(first, 1024)
