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
from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark.option import NONE, Option
from k8s_extcap.wireshark.options import MARKER, shown

PATIENCE = 5.0  # seconds for the lock: a writer needs milliseconds, so after this something holds it wrongly
_EVERYWHERE = ("consent", "everywhere")  # the one scope that a consent may be kept for

Records = dict[store.Key, store.Record]


def remember(cluster: str, name: Name, owner: str, passed: dict[str, str], parent: str, allowed: str = "") -> None:
    """Keep the values of a dialog for the next time, as widely as its *Remember for* says. `name` is what is captured
    (of a browse interface: what was chosen there), `owner` its workload by owner reference (see `store.owner_of`),
    `allowed` the method that is allowed in its context for good.

    Nothing is written when no dialog's values were applied, nor under tshark, whose defaults cannot be told from
    its `-o`. Raises ConfigError where the folder cannot be written or another writer does not come to an end.
    """
    scope = passed.get(MARKER, "start")
    if parent != "gui" or scope not in ("workload", "namespace", "everywhere"):
        return

    def update(records: Records, now: int) -> None:
        store.allowing(records, cluster, allowed)
        _update(records, now, cluster, name, owner, passed, scope)
        if cluster:
            records.pop(store.context(cluster), None)  # kept in a file of its own

    _change(update)


def _update(
    records: Records, now: int, cluster: str, name: Name, owner: str, passed: dict[str, str], scope: str
) -> None:
    layers = store.layers(records, cluster, name, owner)
    wanted = {**store.merged(records, layers), **passed}
    last = len(layers) - 1
    wide = {"everywhere": 0, "namespace": layers.index((cluster, name.namespace, "", "")) if name.namespace else last}
    for option in shown(name.kind, "gui"):
        if option.keep == "never":
            continue
        at = wide.get(scope, last) if option.keep == "any" or (option.keep, scope) == _EVERYWHERE else last
        value = _plain(option, wanted.get(option.call, option.default))
        for key in layers[at:]:
            if key in records and (not cluster or key != store.context(cluster)):
                records[key].values.pop(option.call, None)
        # Twice where the context's own consent stands between everywhere and this target.
        for place in dict.fromkeys((at, last)):
            above = layers[: place if place == at else place + 1]
            if value != _plain(option, store.merged(records, above).get(option.call, option.default)):
                record = records.setdefault(layers[place], store.Record(now, {}))
                # Emptied although a wider layer has a value: said in words, an empty value would be no value.
                record.values[option.call] = value or NONE
                record.stamp = now
    for key in [key for key, record in records.items() if not record.values]:
        del records[key]


def _plain(option: Option, value: str) -> str:
    """One spelling for each meaning, so that a default chosen again is no choice."""
    value = value.strip() or option.default
    if option.kind in ("text", "file") and value.lower() == NONE and not option.default:
        return ""
    return value


def _change(deed: Callable[[Records, int], None]) -> None:
    """Apply `deed` to the records (given with the time in epoch seconds) and keep the result."""
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


def _read() -> Records:
    """Unlike `store.load` an unreadable file is an error here: what could not be read must not be replaced."""
    try:
        return store.parse(Path(store.path()).read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        return {}


@contextmanager
def _alone() -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE
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
