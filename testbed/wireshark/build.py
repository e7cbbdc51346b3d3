"""Builds the chroot of one Wireshark: debootstrap, packages, an ordinary user."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from testbed.wireshark import release
from testbed.wireshark.room import USER, Room, chroot, missing

# The xcb plugin of Qt and the icons come with wireshark; fonts do not. The program under test needs venv.
_PACKAGES = ("tshark", "wireshark", "python3", "python3-venv", "ca-certificates", "fonts-dejavu-core")
# Debian 12's debootstrap has no script for suites younger than itself; sid's fits them all.
_SCRIPT = "sid"
# Testing's Release file is valid for a week: a lagging mirror or clock makes apt refuse it.
_APT = 'Acquire::Check-Valid-Until "false";\n'


def make(version: str) -> Room:
    """The chroot of `version`, built if it is not there yet: about a minute and 1 GB, its log in `VERSION.log`.

    It appears under its name only when complete. A killed make leaves a folder, which the next one removes, but no
    process and no mount.
    """
    if reason := missing():
        raise RuntimeError(f"Wireshark {version} cannot be put into a chroot here: {reason}.")
    folder = release.folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f"{version}.lock"), (folder / f"{version}.log").open("ab") as log:
        if ready := chroot(version):
            return ready
        growing = Room(version, folder / f"{version}.new")
        if growing.root.exists():
            _clear(growing.root)
        _fill(growing, lambda *argv: _run(version, argv, log.fileno()))
        growing.root.rename(folder / version)
    return Room(version, folder / version)


def _clear(root: Path) -> None:
    """Removes an unfinished chroot, but never through a mount into the machine itself."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(root)]
    if inside:
        raise RuntimeError(f"{inside[0]} is mounted in an unfinished chroot, not by this program: unmount it first.")
    shutil.rmtree(root)


class _Run(Protocol):
    def __call__(self, *argv: str) -> None: ...


def _fill(room: Room, run: _Run) -> None:
    run("debootstrap", "--variant=minbase", release.suite(room.version), str(room.root), release.mirror(), _SCRIPT)
    configured = subprocess.run(
        ["apt-config", "dump", "--format", '%f "%v";%n', "Acquire"], capture_output=True, text=True, check=False
    ).stdout  # proxies and the like
    (room.root / "etc/apt/apt.conf.d/90-machine").write_text(configured + _APT)
    for file in ("hosts", "resolv.conf"):
        (room.root / "etc" / file).touch()  # something to bind the machine's own on
    run(*room.command(["apt-get", "update", "-q"], user=0))
    run(*room.command(["apt-get", "install", "-qy", "--no-install-recommends", *_PACKAGES], user=0))
    run(*room.command(["apt-get", "clean"], user=0))
    run(*room.command(["useradd", "--create-home", "--uid", str(USER), "--user-group", "user"], user=0))


def _run(version: str, argv: Sequence[str], log: int) -> None:
    # The command's process tree and its mounts live in namespaces that end with this process, however it ends.
    tied = ["setpriv", "--pdeathsig", "KILL"]
    tied += ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"}
    status = subprocess.run(
        [*tied, "--", *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, check=False
    ).returncode
    if status:
        raise RuntimeError(
            f"Wireshark {version}: `{' '.join(argv[:3])} …` ended with status {status}; the end of "
            f"{release.folder() / version}.log says why. K8S_EXTCAP_DEBIAN_MIRROR names another mirror."
        )


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Two makes of one version wait for each other; the kernel releases the lock of a killed one."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
