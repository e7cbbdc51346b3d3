"""One deed at a time on one bed, and no half-started child of a killed one left behind."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.cluster.errors import BedError


@contextmanager
def only_one(path: Path, wait: float) -> Iterator[None]:
    """Holds the lock file; waits at most `wait` seconds for another holder.

    The lock belongs to the open file, which a child shares between fork and exec and loses at exec (close-on-exec).
    So whoever gets the lock after a killed `up` knows that each of its children has become its program, with our
    mark in its environment: none can appear after it was looked for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    holder = os.pread(handle, 64, 0).decode() or "unknown"
                    raise BedError(
                        f"another command (process {holder}) is working on this test bed since more than {wait:.0f} s: "
                        "wait for it or end it, then try again"
                    ) from None
                time.sleep(0.1)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
