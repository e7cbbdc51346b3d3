"""What `up` is about to make, written down and on disk before it is made, so that `down` finds it after any death."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

#: netns, link, cgroup, folder: things of the machine with a name. setting: a file whose old text is `before`.
KINDS = ("netns", "link", "cgroup", "folder", "setting")


@dataclass(frozen=True, slots=True)
class Entry:
    kind: str
    name: str
    before: str = ""


class Journal:
    """One JSON line per deed. A torn last line is a deed that was not begun."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, kind: str, name: str, before: str = "") -> None:
        if kind not in KINDS:
            raise ValueError(kind)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(Entry(kind, name, before))) + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def entries(self) -> tuple[Entry, ...]:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return ()
        return tuple(Entry(**json.loads(line)) for line in lines[:-1] if line)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
