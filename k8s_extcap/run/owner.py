"""Who made something: user, machine, boot and process, so that only its maker's heirs ever undo it.

The start time tells a process from a later one of the same number, the boot id from one before a restart, the machine's
id from another machine of the same name: `root@localhost` may be anybody.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from k8s_extcap.edge import folders

ANNOTATION = "k8s-extcap/owner"


def boot() -> str:
    """Changes with each start of the machine; "" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def started(pid: int) -> str:
    """When process `pid` started, in the system's own words; "" if there is no such process (or a zombie only)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]  # proc(5): state is field 3, starttime field 22
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    except (OSError, IndexError):
        return ""
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return " ".join(told.stdout.split())


def me() -> str:
    """`user@machine~id/boot/pid-start` of this process, as objects of ours carry it."""
    return f"{_maker()}/{boot()}/{os.getpid()}-{started(os.getpid())}"


def _maker() -> str:
    return f"{place()}~{machine()}"


def machine() -> str:
    """Eight digits of a digest of the machine's id, which is not to be shown to others itself (machine-id(5)); "" where
    there is none, as in many containers, whose names are unique.
    """
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            own = Path(path).read_text().strip()
        except OSError:
            continue
        if own:
            return hashlib.sha256(b"k8s-extcap/" + own.encode()).hexdigest()[:8]
    return ""


def place() -> str:
    """`user@machine`, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        user = str(getattr(os, "getuid", lambda: 0)())
    return f"{user}@{socket.gethostname()}"


def is_ours(owner: str) -> bool:
    """Made by this user on this machine, by whatever process."""
    return owner.startswith(_maker() + "/")


def alive(owner: str) -> bool:
    """Whether the process that `owner` names still runs. Only for owners that are ours."""
    _, _, rest = owner.removeprefix(_maker()).partition("/")
    their_boot, _, process = rest.partition("/")
    pid, _, start = process.partition("-")
    number = folders.number(pid)
    if their_boot != boot() or number is None:
        return False
    return bool(start) and started(number) == start


def stamped(body: dict[str, Any]) -> dict[str, Any]:
    """The object with this process as its owner."""
    meta = body.get("metadata", {})
    notes = {**meta.get("annotations", {}), ANNOTATION: me()}
    return {**body, "metadata": {**meta, "annotations": notes}}
