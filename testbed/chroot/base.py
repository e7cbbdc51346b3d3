"""The smallest system of a suite, as `debootstrap` makes it, with git and sudo: what a newcomer's machine has.

Kept below the user's cache and never changed: each run gets a writable layer above it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

USER = "newcomer"
UID = 1000
DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UBUNTU_KEYS = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")


class Suite(NamedTuple):
    """`script` is debootstrap's own recipe: one that also an older debootstrap has."""

    name: str
    mirror: str
    components: str
    script: str
    keys: Path


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bookworm", "http://deb.debian.org/debian", "main", "sid", DEBIAN_KEYS),
        Suite("trixie", "http://deb.debian.org/debian", "main", "sid", DEBIAN_KEYS),
        Suite("noble", "http://archive.ubuntu.com/ubuntu", "main,universe", "gutsy", UBUNTU_KEYS),
    )
}


def folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "k8s-extcap" / "testbed" / "chroot"


def why_not() -> str:
    """Why no chroot can be made on this machine, as the end of a sentence; empty if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a chroot needs root on Linux"
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed (apt-get install debootstrap)"
    return ""


def make(suite: Suite) -> Path:
    """The suite's base, built on first use (about 30 s, 0.3 GB). It gets its name only when it is complete."""
    ready = folder() / suite.name
    ready.parent.mkdir(parents=True, exist_ok=True)
    with alone(ready.with_suffix(".lock")):
        if not ready.exists():
            growing = ready.with_suffix(".new")
            shutil.rmtree(growing, ignore_errors=True)
            bootstrap(suite, growing)
            growing.rename(ready)
    return ready


def bootstrap(suite: Suite, into: Path) -> None:
    print(f"Making a minimal {suite.name} (once): {into.with_suffix('')}", file=sys.stderr)
    variable = f"K8S_EXTCAP_{'UBUNTU' if suite.keys == UBUNTU_KEYS else 'DEBIAN'}_MIRROR"
    signed = [f"--keyring={suite.keys}"]
    if not suite.keys.exists():
        # Debian has no package with Ubuntu's keys; this system only ever runs throw-away tests.
        print(f"{suite.keys} is not here: this base is downloaded without checking signatures.", file=sys.stderr)
        signed = ["--no-check-gpg"]
    words = ["debootstrap", "--variant=minbase", "--include=git,sudo", f"--components={suite.components}", *signed]
    words += [suite.name, str(into), os.environ.get(variable, suite.mirror), suite.script]
    log = into.with_suffix(".log")
    with log.open("wb") as output:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise RuntimeError(f"debootstrap {suite.name} ended with code {done.returncode}; {log} says why. "
                           f"{variable} names another mirror.")  # fmt: skip
    delete_if_there = ["userdel", "--remove", "ubuntu"]  # Ubuntu's images have one with the same number
    chroot = ["chroot", str(into)]
    subprocess.run([*chroot, *delete_if_there], stderr=subprocess.DEVNULL, check=False)
    subprocess.run([*chroot, "useradd", "--create-home", "--shell", "/bin/bash", f"--uid={UID}", USER], check=True)
    for lists in (into / "var/lib/apt/lists").glob("*_*"):
        lists.unlink()  # a fresh image knows no packages before its first update
    shutil.rmtree(into / "var/cache/apt/archives", ignore_errors=True)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One at a time; the kernel lets go of the lock when its holder dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
