"""Find the binary for a processor, checked against the manifest; a payload that is not there is an answer."""

import hashlib
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from k8s_extcap.payload.arch import arch_of_elf, arch_of_name

_REPAIR = "install k8s-extcap again from a wheel, or run `python -m payload.build` in a checkout"


class Binary(NamedTuple):
    """A program to upload: `content` has been checked to be `size` bytes with the digest `sha256` (hexadecimal)."""

    name: str
    arch: str
    version: str
    sha256: str
    size: int
    licence: str
    content: bytes


class Missing(NamedTuple):
    """Why there is nothing to upload, and what to do about it: a sentence for the method's verdict."""

    reason: str


class _Row(NamedTuple):
    name: str
    arch: str
    file: str
    version: str
    size: int
    sha256: str
    licence: str


def _folder() -> Traversable:
    return files(__package__) / "bin"


def _rows(folder: Traversable) -> tuple[_Row, ...] | Missing:
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
    except OSError:
        return Missing(f"This installation of k8s-extcap came without the programs that are uploaded: {_REPAIR}.")
    try:
        entries = json.loads(text)["binaries"]
        return tuple(_Row(**{field: entry[field] for field in _Row._fields}) for entry in entries)
    except (ValueError, KeyError, TypeError):
        return Missing(f"The list of uploadable programs is damaged ({folder}/manifest.json): {_REPAIR}.")


def listed(folder: Traversable | None = None) -> tuple[_Row, ...]:
    """What the manifest lists (name, arch, file, size, digest), unread; nothing where there is no payload."""
    rows = _rows(folder or _folder())
    return () if isinstance(rows, Missing) else rows


def find(name: str, arch: str, folder: Traversable | None = None) -> Binary | Missing:
    """Program `name` ("tcpdump", "nsx") for a processor as a node label or uname calls it."""
    place = folder or _folder()
    rows = _rows(place)
    if isinstance(rows, Missing):
        return rows
    wanted = arch_of_name(arch)
    for row in rows:
        if (row.name, row.arch) == (name, wanted):
            return _read(place, row)
    have = ", ".join(row.arch for row in rows if row.name == name) or "none"
    processor = (wanted or arch)[:40]
    return Missing(
        f"There is no {name} for processor {processor!r} in this installation (there is: {have}): "
        "use a capture method that finds tcpdump in an image"
        + (f", or build one with `python -m payload.build --arch {wanted}` in a checkout." if wanted else ".")
    )


def _read(place: Traversable, row: _Row) -> Binary | Missing:
    try:
        content = (place / row.file).read_bytes()
    except OSError as error:
        return Missing(f"{row.name} for {row.arch} cannot be read ({error.strerror}: {row.file}): {_REPAIR}.")
    if len(content) != row.size or hashlib.sha256(content).hexdigest() != row.sha256:
        return Missing(f"{row.file} is not the file that was built (size or digest differ): {_REPAIR}.")
    if arch_of_elf(content) != row.arch:
        return Missing(f"{row.file} is no program for {row.arch}: {_REPAIR}.")
    return Binary(row.name, row.arch, row.version, row.sha256, row.size, row.licence, content)
