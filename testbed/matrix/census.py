"""One look at all processes of this machine, shared by all cells that run at once: the bed's nodes are here too."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

HOME = b"K8S_EXTCAP_HOME="


class Process(NamedTuple):
    """`group` is its control groups' text, which has the pod's uid; `network` the inode of its network namespace;
    `mapped` programs and libraries at work whose files are deleted; `home` of a client's process.
    """

    pid: int
    group: str
    network: int
    line: str
    mapped: tuple[str, ...]
    home: str


class Census:
    """A look takes 50-150 ms, so those who ask at the same time get the same one: begun after they asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = -1.0
        self._found: tuple[Process, ...] = ()

    def fresh(self) -> tuple[Process, ...]:
        asked = time.monotonic()
        with self._lock:
            if self._began < asked:
                self._began = time.monotonic()
                self._found = tuple(found for found in map(_look, _numbers()) if found)
            return self._found


def _numbers() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _look(pid: int) -> Process | None:
    """None: it ended meanwhile, or is a thread of the kernel."""
    place = Path(f"/proc/{pid}")
    try:
        line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        if not line:
            return None
        group = (place / "cgroup").read_text().replace("_", "-")
        network = (place / "ns/net").stat().st_ino
        # In a node's control group are daemons and containers: the client's processes are elsewhere.
        home = "" if "/kx" in group else _home((place / "environ").read_bytes())
        mapped = _mapped(place) if "pod" in group or "nsx" in line or "tcpdump" in line else ()
    except OSError:
        return None
    return Process(pid, group, network, line, mapped, home)


def _home(environment: bytes) -> str:
    found = (word for word in environment.split(b"\0") if word.startswith(HOME))
    return next(found, HOME)[len(HOME) :].decode(errors="replace")


def _mapped(place: Path) -> tuple[str, ...]:
    """Executable mappings of deleted files (proc(5): the path ends in " (deleted)")."""
    lines = (place / "maps").read_text(errors="replace").splitlines()
    deleted = {line.split(None, 5)[5] for line in lines if line.endswith(" (deleted)") and "x" in line.split()[1]}
    return tuple(sorted(path.removesuffix(" (deleted)") for path in deleted))
