"""The results on disk: one JSON object per line, appended as each cell ends, so a killed run loses one cell at most."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from testbed.cluster.bed import default_root

ROOT = Path(__file__).parents[2]
PRODUCT = ("k8s_extcap", "payload")  # a commit elsewhere does not change what a cell measures

Verdict = Literal["works", "refused", "failed", "not run"]
Figure = str | int | float


class Outcome(NamedTuple):
    """What one cell came to. `sentence` is the product's own where there is one, else ours."""

    verdict: Verdict
    sentence: str = ""
    figures: Mapping[str, Figure] = {}


class Cell(NamedTuple):
    """One question to the product. `what` names it in the report's terms; `run` asks it."""

    what: Mapping[str, str]
    run: Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the file. `seconds` is the whole cell; `time` is UTC, ISO 8601."""

    part: str
    what: dict[str, str]
    verdict: Verdict
    sentence: str
    seconds: float
    commit: str
    time: str
    versions: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return key(self.part, self.what)


def key(part: str, what: Mapping[str, str]) -> str:
    return "/".join((part, *what.values()))


def default_file() -> Path:
    return default_root() / "matrix.jsonl"


def commit() -> str:
    """The last commit of what ships, "+" behind it where the working copy differs from it; "" without git."""
    try:
        found = _git("log", "-1", "--format=%h", "--", *PRODUCT)
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *PRODUCT)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def read(path: Path) -> list[Result]:
    """All results, oldest first. A line that a kill has cut is not one."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(Result(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def append(path: Path, result: Result) -> None:
    """On disk when this returns. Begins a line of its own also behind one that was cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        cut = size and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (b"\n" if cut else b"") + json.dumps(asdict(result), ensure_ascii=False).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def latest(results: Iterable[Result]) -> list[Result]:
    """The last word on each cell, in the order in which cells were first met. "not run" never hides a real one."""
    found: dict[str, Result] = {}
    for result in results:
        if result.verdict != "not run" or found.get(result.key, result).verdict == "not run":
            found[result.key] = result
    return list(found.values())
