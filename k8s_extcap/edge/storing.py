"""Writing the option store: one writer at a time, the file replaced whole, so that no reader sees half of it."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from k8s_extcap.edge import folders, lock, store
from k8s_extcap.model.errors import ConfigError


def change(deed: Callable[[dict[store.Key, store.Record], int], None]) -> None:
    """Apply `deed` to the records (given with the time in epoch seconds) and keep the result.

    Raises ConfigError where the folder cannot be written or another writer does not come to an end.
    """
    try:
        folders.ensure(folders.state())
        with _alone():
            records = _read()
            deed(records, int(time.time()))
            _replace(store.path(), store.render(records).encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(
            f"The options could not be remembered in {store.path()} ({error.strerror}). Make the folder writable, "
            "or choose Remember for: this start."
        ) from error


def _read() -> dict[store.Key, store.Record]:
    """Unlike `store.load` an unreadable file is an error here: what could not be read must not be replaced."""
    try:
        return store.parse(Path(store.path()).read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        return {}


@contextmanager
def _alone() -> Iterator[None]:
    deadline = time.monotonic() + store.PATIENCE
    handle = os.open(store.path() + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not lock.take(handle, wait=False):
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
            time.sleep(0.005)
        yield
    finally:
        os.close(handle)


def _replace(path: str, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".options-", dir=folders.state())  # 0600 by mkstemp
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
