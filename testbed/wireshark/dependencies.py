"""The run-time dependencies of the program under test, installed for the Python of a room."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

from testbed.wireshark import release
from testbed.wireshark.room import USER, Bind, Room

CHECKOUT = Path(__file__).parents[2]


@functools.cache
def environment(room: Room) -> Path:
    """A virtual environment with the dependencies that `pyproject.toml` names, made once per list and Python.

    It lies in the cache and is used through a bind: only `bin/python` works there, not the scripts beside it.
    """
    wanted = sorted(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"])
    key = hashlib.sha256("\n".join((_python(room), *wanted)).encode()).hexdigest()[:12]
    folder = release.folder() / f"venv-{room.version}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"venv-{room.version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(room, wanted, folder)
    return folder


def _python(room: Room) -> str:
    asked = subprocess.run(room.command([room.python, "--version"]), capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _make(room: Room, wanted: list[str], folder: Path) -> None:
    # /tmp is the one folder that every room shares with the machine.
    growing = Path("/tmp") / f"k8s-extcap-{folder.name}"
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(growing, USER, USER)
    settings = {name: value for name, value in os.environ.items() if name.lower().startswith(_NETWORK)}
    outside = {"PATH": "/usr/bin:/bin", "HOME": str(growing), "LC_ALL": "C.UTF-8", **settings}
    pip: list[str | Path] = [
        growing / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "--only-binary=:all:",
    ]
    try:
        commands: tuple[list[str | Path], ...] = ([room.python, "-m", "venv", growing], [*pip, *wanted])
        for argv in commands:
            done = subprocess.run(
                room.command(argv), env=outside, capture_output=True, text=True, timeout=900, check=False
            )
            if done.returncode:
                raise RuntimeError(
                    f"The dependencies could not be installed for Wireshark {room.version}'s Python: "
                    f"{(done.stderr or done.stdout).strip()[-300:]}"
                )
        partial = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.move(growing, partial)  # between file systems this is a copy, hence the second step
        partial.rename(folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


# What a machine behind a proxy with a certificate authority of its own needs.
_NETWORK = ("pip_", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert", "requests_ca", "curl_ca")


def binds(room: Room, case: Path) -> tuple[Bind, Bind]:
    """The checkout at `case/checkout` and the environment at `case/python`, for an ordinary user in that room."""
    for name in ("checkout", "python"):
        (case / name).mkdir(exist_ok=True)
    return Bind(CHECKOUT, case / "checkout"), Bind(environment(room), case / "python")
