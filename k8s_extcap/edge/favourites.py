"""Targets that a person wants listed always, also where their namespace is not: one interface name a line."""

from __future__ import annotations

from pathlib import Path

from k8s_extcap.edge import folders
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError

LIMIT = 64  # each costs Wireshark two process starts at every look


def path() -> Path:
    return Path(folders.config()) / "favourites"


def load() -> tuple[str, ...]:
    """Interface names in the order they were added; a line that is none is skipped, people edit this file."""
    try:
        lines = path().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    names = (line.strip().lower() for line in lines[: 10 * LIMIT])
    return tuple(dict.fromkeys(name for name in names if ids.parse(name)))[:LIMIT]


def add(interface: str) -> bool:
    """False where it was one already. ConfigError where there are too many, or the file cannot be written."""
    known = load()
    if interface in known:
        return False
    if len(known) >= LIMIT:
        raise ConfigError(f"There are {LIMIT} favourites already, and each makes Wireshark slower. Remove one first.")
    _store((*known, interface))
    return True


def remove(interface: str) -> bool:
    """False where it was none."""
    known = load()
    if interface not in known:
        return False
    _store(tuple(name for name in known if name != interface))
    return True


def _store(names: tuple[str, ...]) -> None:
    try:
        folders.ensure(folders.config())
        folders.write(str(path()), "".join(f"{name}\n" for name in names).encode())
    except OSError as error:
        raise ConfigError(f"The favourites cannot be written to {path()}: {error.strerror}.") from error
