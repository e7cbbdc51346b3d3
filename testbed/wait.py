"""Waiting for something that is seen from outside only."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], object], seconds: float = 20, *, every: float = 0.02) -> bool:
    """Whether it became true in time; looked at once at least, and then so often (seconds)."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
