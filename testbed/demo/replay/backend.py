"""The node's backend without namespaces: commands see this machine's files, with nobody's rights if we are root."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import NamedTuple

from testbed.demo.host import linux
from testbed.demo.host.image import SCRATCH, TOOLS
from testbed.demo.host.process import CannotStartError, execute, take_streams
from testbed.demo.host.runtime import wait_and_leave
from testbed.demo.host.spec import Container, Sandbox

_NOBODY = 65534
_STAND_IN = ("tcpdump.py", "bpf.py", "frames.py")
_HAVE_TCPDUMP = ("tcpdump", "helper")


class Running(NamedTuple):
    spec: Container
    folder: Path
    shim: int


def reachable(path: Path) -> bool:
    """Whether every user may enter the folders above and read this file."""
    return bool(path.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in path.parents)


def interpreter() -> str:
    """A Python that the unprivileged commands can start, for the stand-in of tcpdump."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        # Not the link of a virtual environment, which may lie in the home of root: the stand-in needs no package.
        python = Path(candidate).resolve()
        if python.exists() and (os.getuid() != 0 or reachable(python)):
            return str(python)
    raise SystemExit("Replay pods need a Python that ordinary users may run; install python3 or do not run as root.")


class Replay:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = self._copied()
        self._sandboxes: set[str] = set()
        self._containers: dict[str, Running] = {}
        self._bins = {True: self._make_bin("with", tcpdump=True), False: self._make_bin("without", tcpdump=False)}

    def _copied(self) -> Path:
        """The stand-in's modules where nobody may read them: the checkout may lie in the home of root."""
        package = self._folder / "library" / "testbed/demo/replay"
        package.mkdir(parents=True)
        for name in _STAND_IN:
            shutil.copy(Path(__file__).with_name(name), package)
        for path in (package, *package.parents[:3], *package.iterdir()):
            path.chmod(0o755)
        return package.parents[2]

    def _make_bin(self, name: str, *, tcpdump: bool) -> Path:
        folder = self._folder / name
        folder.mkdir(mode=0o755)
        for tool in TOOLS:
            for place in ("/usr/bin", "/usr/sbin", "/bin"):
                if Path(place, tool).exists():
                    (folder / tool).symlink_to(f"{place}/{tool}")
                    break
        if tcpdump:
            script = folder / "tcpdump"
            source, python = shlex.quote(str(self._library)), shlex.quote(interpreter())
            script.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {python} -m testbed.demo.replay.tcpdump "$@"\n')
            script.chmod(0o755)
        return folder

    def add_sandbox(self, spec: Sandbox) -> None:
        self._sandboxes.add(spec.id)

    def remove_sandbox(self, sandbox: str) -> None:
        self._sandboxes.discard(sandbox)
        for running in [r for r in self._containers.values() if r.spec.sandbox == sandbox]:
            self.stop(running.spec.id)

    def start(self, spec: Container) -> None:
        folder = self._folder / spec.id[:12]
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        # The built-in traffic programs have no network to speak in; a sleeper stands for them.
        argv = spec.argv or ("/bin/sleep", "infinity")
        told_read, told_write = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        shim = self._fork(Running(spec, folder, 0), argv, [null] * 3, told_write)
        os.close(told_write)
        os.close(null)
        error = os.read(told_read, 4096).lstrip(b"!").decode()
        os.close(told_read)
        if error:
            raise CannotStartError(error)
        self._containers[spec.id] = Running(spec, folder, shim)

    def stop(self, container: str) -> None:
        running = self._containers.get(container)
        if running is not None:
            # The shim kills its command on SIGTERM: nothing here would end in its own time anyway.
            os.kill(running.shim, signal.SIGTERM)

    def ended(self, shim: int) -> str | None:
        for name, running in self._containers.items():
            if running.shim == shim:
                del self._containers[name]
                return name
        return None

    def execute(self, container: str, argv: tuple[str, ...], streams: list[int], told: int) -> int:
        return self._fork(self._containers[container], argv, streams, told)

    def __contains__(self, container: str) -> bool:
        return container in self._containers

    def _fork(self, running: Running, argv: tuple[str, ...], streams: list[int], told: int) -> int:
        shim = os.fork()
        if shim == 0:
            try:
                linux.die_with_parent(signal.SIGKILL)
                self._shim(running, argv, streams, told)
            finally:
                os._exit(128)
        return shim

    def _shim(self, running: Running, argv: tuple[str, ...], streams: list[int], told: int) -> None:
        child = os.fork()
        if child == 0:
            try:
                self._command(running, argv, streams)
            except CannotStartError as error:
                os.write(told, f"!{error}".encode())
            return
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
        for fd in {*streams, told}:
            os.close(fd)
        wait_and_leave(child)

    def _command(self, running: Running, argv: tuple[str, ...], streams: list[int]) -> None:
        os.setsid()
        take_streams(streams)
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        # After the change of user, which would undo the first (prctl(2)).
        linux.die_with_parent(signal.SIGKILL)
        linux.forbid_privileges()
        os.chdir(running.folder)
        image = running.spec.image
        path = "/nonexistent" if image == SCRATCH else str(self._bins[image in _HAVE_TCPDUMP])
        env = {"PATH": path, "HOME": str(running.folder), "TMPDIR": str(running.folder), "HOSTNAME": "replay"}
        execute(argv, env | {k: v for k, v in running.spec.env if not k.startswith("DEMO_")})
