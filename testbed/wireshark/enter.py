"""Become an ordinary user in another root folder, then the given program. Stand-alone: run by `python -I -S`.

It is started inside a mount namespace of its own (`unshare --mount`), so every bind below ends with the program and
nothing is left to unmount. Each step is an exec: the process id that the caller knows is the program's own, and a
signal sent to it arrives where it would on a desk.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC = 1, 32, 4096, 16384  # linux/mount.h

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--user", type=int, required=True)
    parser.add_argument("--cwd", default="/")
    parser.add_argument("--bind", nargs=2, action="append", default=[], metavar=("FROM", "TO"))
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    root: Path = asked.root
    if root != Path("/"):
        for shared in ("/proc", "/sys", "/dev", "/tmp"):
            _mount(shared, f"{root}{shared}", MS_BIND | MS_REC)
        for file in ("/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if os.path.exists(file) and os.path.exists(f"{root}{file}"):  # noqa: PTH110 -- -S: fewer imports
                _read_only(os.path.realpath(file), f"{root}{file}")
    for source, target in asked.bind:
        _read_only(source, f"{root}{target}")
    os.chroot(root)
    os.chdir(asked.cwd)
    if asked.user:
        os.setgroups([])
        os.setgid(asked.user)
        os.setuid(asked.user)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        # Python ignores SIGPIPE, and a shell's background job ignores SIGINT: both would be inherited.
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(asked.command[0], asked.command)
    except OSError as error:
        sys.exit(f"{asked.command[0]}: {error.strerror}")


def _read_only(source: str, target: str) -> None:
    _mount(source, target, MS_BIND)
    _mount(source, target, MS_BIND | MS_REMOUNT | MS_RDONLY)


def _mount(source: str, target: str, flags: int) -> None:
    if _libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


main()
