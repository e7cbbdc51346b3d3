"""File operations as data: shown before they are done, done in order, undone in reverse when one of them fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from k8s_extcap.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that shall be there."""

    path: Path

    def spoken(self) -> str:
        return f"make the folder {self.path}" if not self.path.is_dir() else f"the folder {self.path} is there"


@dataclass(frozen=True, slots=True)
class Write:
    """A file that shall have this content and mode, replaced whole."""

    path: Path
    content: bytes
    mode: int = 0o755

    def spoken(self) -> str:
        return f"{'replace' if self.path.exists() else 'write'} {self.path} ({len(self.content)} bytes)"


@dataclass(frozen=True, slots=True)
class Remove:
    """A file that shall be gone."""

    path: Path

    def spoken(self) -> str:
        return f"remove {self.path}"


Operation = Folder | Write | Remove
Undo = Callable[[], None]


def apply(operations: tuple[Operation, ...]) -> Undo:
    """Does all of them, or none: what was done before a failure is undone, and a ConfigError says what failed.
    Returns what undoes them all.
    """
    undos: list[Undo] = []

    def undo() -> None:
        while undos:
            undos.pop()()

    for operation in operations:
        try:
            undos.extend(_one(operation))
        except OSError as error:
            undo()
            raise ConfigError(
                f"Could not {operation.spoken()}: {error.strerror}. Nothing was changed. Make the folder writable, or "
                "name another with --folder."
            ) from error
    return undo


def _one(operation: Operation) -> list[Undo]:
    if isinstance(operation, Folder):
        return _folder(operation.path)
    before = _before(operation.path)
    if isinstance(operation, Remove):
        operation.path.unlink(missing_ok=True)
    else:
        _replace(operation.path, operation.content, operation.mode)
    return [before]


def _folder(path: Path) -> list[Undo]:
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return [lambda p=p: _forget(p) for p in reversed(missing)]  # type: ignore[misc]  # the default binds each


def _forget(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass  # somebody put something into it meanwhile: theirs


def _before(path: Path) -> Undo:
    """What puts back the file that is there now, or its absence."""
    if path.is_symlink():
        goal = path.readlink()

        def relink() -> None:
            path.unlink(missing_ok=True)
            path.symlink_to(goal)

        return relink
    if path.exists():
        content, mode = path.read_bytes(), path.stat().st_mode & 0o7777
        return lambda: _replace(path, content, mode)
    return lambda: path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
