"""End a bed: every process, then everything that the journal names. Right at any time, also after a killed `up`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from testbed.cluster import cgroups, state
from testbed.cluster.bed import Bed
from testbed.cluster.errors import BedError
from testbed.cluster.journal import Entry, Journal
from testbed.cluster.lock import only_one
from testbed.cluster.processes import belonging, end, run

NODES = (1, 2)


def journal_of(bed: Bed) -> Journal:
    return Journal(bed.state / "journal.jsonl")


def lock_of(bed: Bed) -> Path:
    return bed.state / "lock"


def down(bed: Bed) -> int:
    """The number of processes that were ended. Waits for an `up` that is at work to finish or die."""
    if not bed.state.exists():
        return 0
    if os.geteuid() != 0:
        raise BedError("ending the test cluster needs root, as starting it did")
    with only_one(lock_of(bed), wait=60):
        return undo(bed)


def undo(bed: Bed) -> int:
    """The deed itself, under the lock."""
    state.path(bed).unlink(missing_ok=True)
    journal = journal_of(bed)
    entries = journal.entries()
    namespaces = [Path("/run/netns") / entry.name for entry in entries if entry.kind == "netns"]
    ended = end(lambda: belonging(bed, namespaces))
    for entry in reversed(entries):
        _remove(entry)
    for number in NODES:
        (bed.node(number).state / "init").unlink(missing_ok=True)
    journal.forget()
    return ended


def _remove(entry: Entry) -> None:
    """One recorded deed undone; nothing to do where it was recorded and not done."""
    match entry.kind:
        case "netns":
            if (Path("/run/netns") / entry.name).exists():
                run(["ip", "netns", "del", entry.name])
        case "link":
            # The kernel removes a node's cable with its namespace, a moment later: either of the two is first.
            if Path(f"/sys/class/net/{entry.name}").exists():
                try:
                    run(["ip", "link", "del", entry.name])
                except BedError:
                    if Path(f"/sys/class/net/{entry.name}").exists():
                        raise
        case "cgroup":
            cgroups.remove(Path(entry.name))
        case "folder":
            try:
                Path(entry.name).rmdir()
            except OSError:
                pass  # never made, or somebody put something into it since: then it is theirs
        case "setting":
            try:
                Path(entry.name).write_text(entry.before)
            except OSError:
                pass  # a controller that others have begun to use since stays


def wipe(bed: Bed) -> None:
    """`down`, and forget the state: keys, kubeconfigs, etcd, nodes, logs. Binaries and images stay."""
    down(bed)
    for folder in (bed.cluster, *(bed.node(number).state for number in NODES)):
        remove_tree(folder)
    lock_of(bed).unlink(missing_ok=True)
    if bed.number and bed.state.exists():
        bed.state.rmdir()


def remove_tree(folder: Path) -> None:
    """Like rm -r, but never through a mount: below one lies something that is not ours."""
    inside = str(folder) + "/"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if (line.split()[4] + "/").startswith(inside):
            raise BedError(f"{line.split()[4]} is mounted: unmount it, then try again (nothing was removed)")
    if folder.exists():
        shutil.rmtree(folder)
