"""The folder of one run. A run that was killed leaves it behind; the same user's next run removes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "k8s-extcap-demo-"
# Between making a folder and locking it lie microseconds; a minute is beyond any doubt.
_YOUNG_SECONDS = 60


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that lives as long as the block; locked meanwhile, so that nobody takes it for a leftover."""
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_leftovers(parent: Path | None = None, young: float = _YOUNG_SECONDS) -> list[Path]:
    """Remove our folders that nobody has locked: the lock of a killed process is gone with it."""
    removed = []
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        try:
            facts = folder.lstat()
            if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < young:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue  # not ours, not a folder, or somebody else removes it right now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        except BlockingIOError:
            pass  # its run is alive
        finally:
            os.close(lock)
    return removed
