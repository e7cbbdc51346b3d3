"""Starting one process as a container runtime does: descriptors, identity, capabilities, then execve."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Mapping
from pathlib import Path

from testbed.demo.host import linux
from testbed.demo.host.image import PATH
from testbed.demo.host.spec import Container

# runc puts these words between its own prefix and `: unknown`; clients match on the middle part.
_START = "unable to start container process: "


class CannotStartError(Exception):
    """The command cannot be executed; the text is runc's."""


def find_program(name: str, path: str) -> str:
    """Go's exec.LookPath, with the texts that runc gives (`executable file not found in $PATH`)."""
    if not name:
        raise CannotStartError(f'{_START}exec: "": executable file not found in $PATH')
    if "/" in name:
        return _check(name, name)
    for folder in path.split(":"):
        candidate = f"{folder}/{name}"
        if Path(candidate).is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise CannotStartError(f'{_START}exec: "{name}": executable file not found in $PATH')


def _check(path: str, shown: str) -> str:
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise CannotStartError(f'{_START}exec: "{shown}": stat {shown}: no such file or directory') from None
    except NotADirectoryError:
        raise CannotStartError(f'{_START}exec: "{shown}": stat {shown}: not a directory') from None
    except PermissionError:
        raise CannotStartError(f'{_START}exec: "{shown}": permission denied') from None
    if stat.S_ISDIR(mode) or not mode & 0o111:
        raise CannotStartError(f'{_START}exec: "{shown}": permission denied')
    return path


def take_identity(container: Container) -> None:
    """User and capabilities of the container. A user inside our user namespace is never root: see `modes`."""
    wanted = frozenset(container.capabilities)
    ordinary = os.getuid() != 0
    if container.uid == 0:
        linux.limit_capabilities(wanted, ambient=ordinary)
        return
    if ordinary:
        # Only our own uid exists in this namespace: a non-root container is shown by its empty capability set.
        linux.limit_capabilities(frozenset(), ambient=True)
        return
    os.setgroups([])
    linux.limit_capabilities(wanted | {"SETUID", "SETGID"}, ambient=False)
    os.setgid(container.uid)
    os.setuid(container.uid)


def environment(container: Container, hostname: str) -> dict[str, str]:
    base = {"PATH": PATH, "HOSTNAME": hostname, "HOME": "/root" if container.uid == 0 else "/"}
    return {**base, **{key: value for key, value in container.env if not key.startswith("DEMO_")}}


def take_streams(streams: list[int]) -> None:
    """Make these three descriptors 0, 1 and 2, and close every other one but those marked close-on-exec."""
    high = [os.dup2(fd, 100 + n, inheritable=True) for n, fd in enumerate(streams)]
    for number, fd in enumerate(high):
        os.dup2(fd, number, inheritable=True)
        os.close(fd)


def execute(argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Replace this process. What Python ignores, and what nohup or a shell's background job left ignored, has its
    default action again first, as a container runtime gives it.
    """
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if not argv:
        raise CannotStartError("args must not be empty")
    program = find_program(argv[0], env["PATH"])
    try:
        os.execve(program, list(argv), dict(env))
    except PermissionError:
        raise CannotStartError(f'{_START}exec: "{argv[0]}": permission denied') from None
    except OSError as error:
        text = (error.strerror or "exec failed").lower()
        raise CannotStartError(f"{_START}exec /{program.lstrip('/')}: {text}") from error


def wait_code(status: int) -> int:
    """The exit code as a container runtime reports it: 128 and the signal for a killed process."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
