"""What one capture left, anywhere: the search of the struck cells and of the sample. Shares nothing with the clean-up.

It does not ask what looks like ours. A berth's pod has one program and its namespace one pod, so whatever else is there
was left: a process, a file, an object, a container. On this machine everything a capture may write is below its home.
"""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from testbed.cluster.errors import BedError
from testbed.matrix.berth import POD, Berth
from testbed.matrix.census import Process

#: The target's own: its program, the sandbox's, and the runtime's first moment of any process.
OWN = ("/bin/traffic ", "/pause")
WAITING = "idle=$1 left=$2"  # the command of an ephemeral container and of a copy's, which end themselves
#: Folders of a container that are looked at: wherever an upload may be written, and their neighbours.
FOLDERS = ("", "tmp", "dev", "dev/shm", "var/tmp", "run", "root", "home", "var/log", "k8s-extcap")
#: What a capture may keep below its home: the log, what was chosen and captured lately, empty folders.
KEPT = re.compile(
    r"own/(state/log(/.*)?|state/credentials|state/keys|state/journal|state|state/[a-z-]+(\.lock)?|cache(/.*)?|config(/.*)?)"
)
HALF_WRITTEN = re.compile(r"\.\d+$")  # a file that was being replaced
OFTEN = 8.0  # seconds in which nearly all is gone; dozens of cells that wait for longer would be a load of their own
FINISHED, ENTRY = "finished Job until its TTL", "spec entry, terminated"


@dataclass(slots=True)
class Left:
    """What is there and should not be; `remainder`: what is there and was announced."""

    processes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    journals: list[str] = field(default_factory=list)
    here: list[str] = field(default_factory=list)
    fifos: list[str] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    remainder: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self) if f.name != "remainder")

    @property
    def inside(self) -> bool:
        """Whether anything runs or lies in the pod."""
        return bool(self.processes or self.files or self.mapped)

    def kinds(self) -> str:
        return ", ".join(SPOKEN[f.name] for f in fields(self) if f.name in SPOKEN and getattr(self, f.name))

    def spoken(self) -> str:
        every = (f"{SPOKEN[f.name]}: {', '.join(getattr(self, f.name))}" for f in fields(self) if f.name in SPOKEN)
        return "; ".join(part for part in every if not part.endswith(": "))[:600]


SPOKEN = {
    "processes": "process in the pod",
    "files": "file in the pod",
    "mapped": "deleted program at work",
    "objects": "object",
    "ended": "finished pod",
    "containers": "container in the pod",
    "journals": "journal",
    "here": "process here",
    "fifos": "FIFO here",
    "temporary": "temporary file here",
    "keys": "client key here",
}


class Search:
    """Of one capture: `home` is where it may write, `given` files of ours in there. Before the capture starts, what
    its pod consists of is remembered.
    """

    def __init__(self, berth: Berth, home: Path, given: tuple[Path, ...] = ()) -> None:
        self._berth, self._home, self._given = berth, home, given
        self._target = berth.pod.uid
        self._uids = {self._target}  # of every pod seen in the namespace: its processes may outlive it
        self._known: set[str] = set()
        for _, name in self._names(berth.ground.census.fresh()):
            self._known.add(name)

    def look(self, *, api: bool = True) -> Left:
        """Everything; with `api` False only what runs and lies in the pod, while no API server can be asked."""
        left = Left()
        waiting: list[str] = []
        if api:
            waiting = self._ask(left)
        processes = self._berth.ground.census.fresh()
        self._inside(processes, left, waiting, asked=api)
        if api:
            self._client(processes, left)
        return left

    def _inside(self, processes: tuple[Process, ...], left: Left, waiting: list[str], *, asked: bool) -> None:
        members = [p for p in processes if any(uid in p.group for uid in self._uids)]
        networks = {p.network for p in members if self._target in p.group}
        strangers = [p for p in processes if p.network in networks and p not in members]
        for process in (*members, *strangers):
            waits = WAITING in process.line or process.line == "sleep 5"
            own = process.line.startswith(OWN)
            if (own and self._target in process.group) or (waits and any(one in process.group for one in waiting)):
                continue
            if (own or waits) and not asked:
                continue  # of a pod or container of ours, which is looked at where the API can be asked
            left.processes.append(process.line[:80])
            left.mapped += [f"{path} ({process.pid})" for path in process.mapped]
        left.files += sorted({name for _, name in self._names(processes)} - self._known)

    def _names(self, processes: tuple[Process, ...]) -> Iterator[tuple[int, str]]:
        """Of files in every container of the pod, once for each root file system."""
        roots: dict[tuple[int, int], Path] = {}
        for process in processes:
            if self._target not in process.group:
                continue
            try:
                root = Path(f"/proc/{process.pid}/root")
                found = root.stat()
            except OSError:
                continue
            roots.setdefault((found.st_dev, found.st_ino), root)
        for number, root in enumerate(roots.values()):
            for folder in FOLDERS:
                try:
                    yield from ((number, f"/{folder}/{entry.name}") for entry in (root / folder).iterdir())
                except OSError:
                    continue  # no such folder, or the container ended meanwhile

    def _ask(self, left: Left) -> list[str]:
        """Objects, and containers of ours in the pod; gives the ids of those that only wait for their end."""
        space = f"/namespaces/{self._berth.namespace}"
        jobs, pods = self._items(f"/apis/batch/v1{space}/jobs"), self._items(f"/api/v1{space}/pods")
        finished = {job["metadata"]["uid"] for job in jobs if _finished(job)}
        for job in jobs:
            name = f"job {job['metadata']['name']}"
            (left.remainder if job["metadata"]["uid"] in finished else left.objects).append(
                FINISHED if job["metadata"]["uid"] in finished else name
            )
        waiting: list[str] = []
        for pod in pods:
            meta = pod["metadata"]
            if meta["name"] == POD:
                waiting += self._entries(pod, left)
                continue
            self._uids.add(meta["uid"])
            ended = pod["status"].get("phase") in ("Succeeded", "Failed")
            if not (ended and any(o["uid"] in finished for o in meta.get("ownerReferences", ()))):
                spoken = f"pod {meta['name']} on {pod['spec'].get('nodeName', 'no node')}"
                (left.ended if ended else left.objects).append(spoken)
        return waiting

    def _entries(self, pod: dict[str, Any], left: Left) -> list[str]:
        """A container that still runs is left, until it has ended itself."""
        statuses = {s["name"]: s for s in pod["status"].get("ephemeralContainerStatuses", ())}
        waiting = []
        for entry in pod["spec"].get("ephemeralContainers", ()):
            status = statuses.get(entry["name"], {})
            if "terminated" in status.get("state", {}):
                left.remainder.append(ENTRY)
                continue
            left.containers.append(f"{entry['name']} ({', '.join(status.get('state', {})) or 'not started'})")
            waiting.append(status.get("containerID", "").partition("://")[2] or "none")
        return waiting

    def _items(self, path: str) -> list[dict[str, Any]]:
        text = self._berth.ground.api.text(path)
        if text is None:
            raise BedError("the API server did not answer the search for leftovers")
        return json.loads(text)["items"] or []

    def _client(self, processes: tuple[Process, ...], left: Left) -> None:
        left.here += [f"{p.pid} {p.line[:60]}" for p in processes if p.home == str(self._home / "own")]
        for path in sorted(self._home.rglob("*")):
            if path in self._given:
                continue
            name = str(path.relative_to(self._home))
            try:
                self._judge(path, name, left)
            except FileNotFoundError:
                continue  # it was removed just now

    def here(self) -> list[int]:
        """Processes on this machine that were started with that home."""
        return [p.pid for p in self._berth.ground.census.fresh() if p.home == str(self._home / "own")]

    def _judge(self, path: Path, name: str, left: Left) -> None:
        kind = path.lstat().st_mode
        if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
            left.fifos.append(name)
        elif stat.S_ISREG(kind) and b"PRIVATE KEY" in path.read_bytes():
            left.keys.append(name)
        elif name.startswith("own/state/journal/"):
            left.journals.append(name.rpartition("/")[2])
        elif name not in ("own", "user", "tmp", "run") and (not KEPT.fullmatch(name) or HALF_WRITTEN.search(name)):
            left.temporary.append(name)

    def until_gone(self, within: float, may_stay: Sequence[str] = ()) -> tuple[Left, float]:
        """What is left when nothing is, or after `within` seconds, and how many seconds that took. `may_stay`: fields
        of Left that count as announced.
        """

        def look() -> Left:
            left = self.look()
            for name in may_stay:
                left.remainder += [f"{SPOKEN[name]}, for the next clean-up" for _ in getattr(left, name)]
                setattr(left, name, [])
            return left

        return until(look, lambda left: not left, within)

    def until_ended(self, within: float) -> tuple[Left, float]:
        """The same until nothing of it runs or lies in the cluster; an object that has ended may be there."""
        return until(self.look, lambda left: not (left.inside or left.objects or left.containers), within)

    def until_outside(self, within: float) -> tuple[Left, float]:
        """The same of what runs or lies in the pod."""
        return until(lambda: self.look(api=False), lambda left: not left.inside, within)


def until(look: Callable[[], Left], done: Callable[[Left], bool], within: float) -> tuple[Left, float]:
    began = time.monotonic()
    while True:
        found = look()
        passed = time.monotonic() - began
        if done(found) or passed > within:
            return found, round(passed, 1)
        time.sleep(0.4 if passed < OFTEN else 2.5)


def _finished(job: dict[str, Any]) -> bool:
    """Ended, and with a time at which the cluster deletes it."""
    ends = (c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in job["status"].get("conditions", ()))
    return any(ends) and job["spec"].get("ttlSecondsAfterFinished") is not None
