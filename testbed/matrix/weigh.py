"""What a process weighs: resident memory, descriptors, children; and whether a series of weights grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


def resident(pid: int) -> int:
    """Bytes of its resident memory (proc(5), VmRSS); 0 once it is gone."""
    return _told(pid, "VmRSS:")


def highest(pid: int) -> int:
    """The most that it ever was since its program began (VmHWM)."""
    return _told(pid, "VmHWM:")


def _told(pid: int, field: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition(field)[2].split()[0]) * 1024 if field in status else 0


def descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def size(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.exists() else 0


def files(folder: Path) -> int:
    return sum(1 for f in folder.rglob("*") if f.is_file()) if folder.exists() else 0


class Fit(NamedTuple):
    """A straight line by least squares: what it grows by per step, and where it begins."""

    slope: float
    start: float


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Through at least two points with different steps."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
    return Fit(slope, middle_y - slope * middle_x)


class Scales:
    """Weighs one process at an interval while its block is entered: `points` are (seconds, bytes)."""

    def __init__(self, pid: int, interval: float = 1.0) -> None:
        self._pid, self._interval = pid, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._weigh, daemon=True)
        self.points: list[tuple[float, float]] = []

    def _weigh(self) -> None:
        began = time.monotonic()
        while not self._over.wait(self._interval):
            weight = resident(self._pid)
            if weight:
                self.points.append((time.monotonic() - began, weight))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def settled(self) -> list[tuple[float, float]]:
        """Without the first tenth, in which a program still fills its buffers."""
        return self.points[len(self.points) // 10 :]

    @property
    def growth(self) -> float:
        """Bytes by which the line through the settled points rises from its first to its last."""
        points = self.settled
        return fit(points).slope * (points[-1][0] - points[0][0]) if len(points) > 1 else 0.0

    @property
    def peak(self) -> float:
        return max((weight for _, weight in self.points), default=0.0)
