"""`python -m testbed.wireshark make|status|run VERSION …`: the Wiresharks of the bed."""

from __future__ import annotations

import argparse
import os
import sys
import time

from testbed.wireshark import build, release, room


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.wireshark", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("make", help="build the chroots that are missing")
    make.add_argument("--chroot", action="store_true", help="also where the machine's own has that version")
    make.add_argument("version", nargs="*", default=release.versions())
    actions.add_parser("status", help="what is there")
    run = actions.add_parser("run", help="run a command in one as an ordinary user")
    run.add_argument("version")
    run.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    try:
        if asked.action == "make":
            return _make(asked.version, asked.chroot)
        return _status() if asked.action == "status" else _run(asked.version, asked.command)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _make(versions: list[str], chroot: bool) -> int:
    for version in versions:
        started = time.monotonic()
        there = None if chroot else room.find(version)
        if not there:
            print(f"Wireshark {version}: building, about a minute …", flush=True)
            there = build.make(version)
        print(f"Wireshark {version}: {_place(there)} ({time.monotonic() - started:.1f} s)")
    return 0


def _status() -> int:
    for version in release.versions():
        there = room.find(version)
        print(f"Wireshark {version}: {_place(there) if there else 'not made'}")
    if reason := room.missing():
        print(f"Chroots cannot be made: {reason}.")
    return 0


def _run(version: str, command: list[str]) -> int:
    there = room.find(version)
    if not there:
        raise RuntimeError(f"Wireshark {version} is not there: python -m testbed.wireshark make {version}")
    argv = there.command(command or ["tshark", "--version"])
    kept = ("DISPLAY", "TERM", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    os.execvpe(argv[0], argv, environment | {"HOME": "/tmp", "PATH": os.environ["PATH"]})


def _place(there: room.Room) -> str:
    return "this machine's own" if there.own else f"{there.root}"


sys.exit(main())
