"""What a capture left, searched from this machine: the bed's nodes are here, so /proc shows everything in a pod.

Shares nothing with the product and its clean-up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from testbed.cluster.errors import BedError
from testbed.cluster.handle import PodInfo
from testbed.matrix import pods
from testbed.matrix.site import Site

#: Command lines of ours: the guard's text, tcpdump at work, an uploaded program, the program that enters namespaces.
OURS = ("k8s-extcap: need", "tcpdump -", "/k8s-extcap-", "nsx ")
FOLDERS = ("tmp", "dev", "", "dev/shm", "var/tmp")
LABEL = "app.kubernetes.io%2Fmanaged-by%3Dk8s-extcap"


class Left(NamedTuple):
    """What is there. `waiting` ephemeral containers are meant to be: they end themselves minutes later."""

    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    journals: tuple[str, ...] = ()
    here: tuple[str, ...] = ()

    @property
    def far(self) -> bool:
        return bool(self.processes or self.files or self.objects)

    def __bool__(self) -> bool:
        return any(tuple(self))

    def kinds(self) -> str:
        """For people: "process, file"."""
        return ", ".join(name for name, found in zip(_NAMES, self, strict=True) if found)

    def spoken(self) -> str:
        every = (f"{name}: {', '.join(found)}" for name, found in zip(_NAMES, self, strict=True) if found)
        return "; ".join(every)[:400]


_NAMES = ("process in the pod", "file in the pod", "object", "journal", "process here")


def left(site: Site, pod: PodInfo, home: Path) -> Left:
    """Everything of ours in that pod, in our namespaces, and on this machine below `home`."""
    processes, files = _inside(pod)
    journals = tuple(p.name for p in (home / "state/journal").glob("*"))
    return Left(processes, files, objects(site), journals, here(home))


def objects(site: Site) -> tuple[str, ...]:
    """Jobs and pods of ours that are not on their way out already."""
    found = []
    for kind, base in (("jobs", "/apis/batch/v1"), ("pods", "/api/v1")):
        text = site.api.text(f"{base}/{kind}?labelSelector={LABEL}")
        if text is None:
            raise BedError("the API server did not answer the search for leftovers")
        for item in json.loads(text)["items"] or ():
            meta = item["metadata"]
            if meta["namespace"] in pods.NAMESPACES and not meta.get("deletionTimestamp"):
                found.append(f"{kind[:-1]} {meta['namespace']}/{meta['name']}")
    return tuple(found)


def here(home: Path) -> tuple[str, ...]:
    """Processes on this machine that were started with that home, and have not ended."""
    mark = f"K8S_EXTCAP_HOME={home}".encode()
    found = []
    for process in _processes():
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(f"{process.name} {_line(process)[:60]}")
        except OSError:
            continue  # it ended meanwhile
    return tuple(found)


def _inside(pod: PodInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Processes by the pod's cgroup, and by its network namespace, into which a helper enters from its own pod."""
    members, networks, roots = [], set(), {}
    for process in _processes():
        try:
            if pod.uid not in (process / "cgroup").read_text().replace("_", "-"):
                continue
            members.append(process)
            networks.add((process / "ns/net").stat().st_ino)
            root = (process / "root").stat()
            roots[root.st_dev, root.st_ino] = process / "root"
        except OSError:
            continue
    # In the node's network everybody's processes are: there only the pod's own count.
    if networks & {_network(node) for node in Path("/run/netns").glob("kx*")}:
        networks = set()
    strangers = [p for p in _processes() if _network(p / "ns/net") in networks and p not in members]
    ours = [_line(p) for p in (*members, *strangers)]
    files = [str(f).partition("/root")[2] for root in roots.values() for d in FOLDERS for f in _glob(root / d)]
    return tuple(line[:80] for line in ours if any(word in line for word in OURS)), tuple(files)


def _glob(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.glob("k8s-extcap*")
    except OSError:
        return  # the container ended meanwhile


def _network(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _processes() -> Iterator[Path]:
    return (p for p in Path("/proc").iterdir() if p.name.isdigit())


def _line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def watch(site: Site, pod: PodInfo, home: Path, within: float) -> tuple[Left, float]:
    """What is left when nothing is, or after `within` seconds, and how many seconds that took."""
    return _until(lambda: left(site, pod, home), within)


def inside(pod: PodInfo, within: float) -> tuple[Left, float]:
    """The same of what runs or lies in the pod: objects are another ring's, and no API server is asked."""
    return _until(lambda: Left(*_inside(pod)), within)


def _until(look: Callable[[], Left], within: float) -> tuple[Left, float]:
    began = time.monotonic()
    while True:
        found = look()
        passed = time.monotonic() - began
        if not found or passed > within:
            return found, round(passed, 1)
        time.sleep(0.25)
