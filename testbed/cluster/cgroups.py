"""Control groups of a node: one folder per hierarchy, for cgroup v1, hybrid and v2. v2 is from the documentation."""

from __future__ import annotations

import os
import time
from pathlib import Path

from testbed.cluster.errors import BedError
from testbed.cluster.journal import Journal

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "memory", "pids")  # a kubelet on v2 does not start without these
USEFUL = ("cpuset", "io", "hugetlb")


def is_v2(root: Path = ROOT) -> bool:
    return (root / "cgroup.controllers").exists()


def hierarchies(root: Path = ROOT) -> tuple[Path, ...]:
    """One for v2; for v1 and hybrid one per controller. Links (cpu -> cpu,cpuacct) are the same folder again."""
    if is_v2(root):
        return (root,)
    return tuple(sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink()))


def make(name: str, journal: Journal, root: Path = ROOT) -> None:
    """/NAME is the kubelet's cgroupRoot, /NAME/system holds the daemons."""
    for hierarchy in hierarchies(root):
        group = hierarchy / name
        journal.record("cgroup", str(group))
        (group / "system").mkdir(parents=True, exist_ok=True)
        if hierarchy == root:
            _delegate(root, group, journal)
        elif (hierarchy / "cpuset.mems").exists():
            # v1: a new cpuset is empty and takes no process ("No space left on device"); parent first.
            for file in ("cpuset.cpus", "cpuset.mems"):
                text = (hierarchy / file).read_text()
                (group / file).write_text(text)
                (group / "system" / file).write_text(text)


def _delegate(root: Path, group: Path, journal: Journal) -> None:
    """v2: a controller is in a group only if the parent passes it down (cgroup-v2.rst, "Enabling and Disabling")."""
    control = root / "cgroup.subtree_control"
    before = control.read_text().split()
    for name in (*WANTED, *USEFUL):
        for folder in (root, group):
            if folder == root and name in before:
                continue
            if folder == root:
                journal.record("setting", str(control), f"-{name}")
            try:
                (folder / "cgroup.subtree_control").write_text(f"+{name}")
            except OSError:
                break  # absent, or refused; what is indispensable is checked below
    missing = set(WANTED) - set((group / "cgroup.controllers").read_text().split())
    if missing:
        raise BedError(
            f"cgroup controllers {', '.join(sorted(missing))} cannot be passed down from {root}: in a container, start "
            "it with a cgroup namespace whose root has no processes, or with the host's cgroups"
        )


def joins(name: str, root: Path = ROOT) -> tuple[Path, ...]:
    """What a daemon of the node writes itself into."""
    return tuple(hierarchy / name / "system" / "cgroup.procs" for hierarchy in hierarchies(root))


def remove(group: Path, within: float = 10.0) -> None:
    """The folder with all below it. A group empties a moment after its last process is gone."""
    until = time.monotonic() + within
    while group.exists():
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                continue  # busy, or gone with its container: the next round
        if group.exists() and time.monotonic() > until:
            raise BedError(
                f"the control group {group} cannot be removed: it still has processes (see its cgroup.procs)"
            )
        time.sleep(0.02)
