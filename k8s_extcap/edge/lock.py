"""Advisory locks on files: one process at a time, for as long as the file stays open; they end with the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def take(handle: int, *, wait: bool) -> bool:
    """Locks an open file; whether it is ours now. Without `wait` False where another process has it."""
    if sys.platform == "win32":
        import msvcrt

        # The first byte stands for the file. LK_LOCK gives up after ten seconds (Microsoft: _locking).
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(path: str) -> Iterator[None]:
    """Waits until nobody else holds the lock file, which is made where it is missing. For deeds of a millisecond."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        take(handle, wait=True)
        yield
    finally:
        os.close(handle)
