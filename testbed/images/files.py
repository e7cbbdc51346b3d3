"""What goes into an image layer, as values; and the layer, as the bytes of a tar archive."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CAP_NET_RAW = 13  # linux/capability.h


@dataclass(frozen=True, slots=True)
class Folder:
    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class File:
    """`capabilities` are granted to whoever runs it (permitted and effective), as by `setcap cap_net_raw+ep`."""

    path: str
    data: bytes
    mode: int = 0o644
    capabilities: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    path: str
    target: str


Entry = Folder | File | Link


def program(path: str, source: Path, capabilities: tuple[int, ...] = ()) -> File:
    return File(path, source.read_bytes(), 0o755, capabilities)


def capability_bytes(capabilities: Iterable[int]) -> bytes:
    """The extended attribute security.capability: struct vfs_cap_data of linux/capability.h, revision 2, effective."""
    permitted = sum(1 << number for number in capabilities)
    return struct.pack("<IIIII", 0x02000001, permitted & 0xFFFFFFFF, 0, permitted >> 32, 0)


def layer(entries: Iterable[Entry]) -> bytes:
    """An uncompressed tar, sorted, of root and from 1970, parents added: the same entries, the same bytes."""
    named = {entry.path.strip("/"): entry for entry in entries}
    for path in tuple(named):
        for parent in list(Path(path).parents)[:-1]:
            named.setdefault(str(parent), Folder(str(parent)))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(named):
            info, data = _member(path, named[path])
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _member(path: str, entry: Entry) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    match entry:
        case Folder():
            info.type, info.mode = tarfile.DIRTYPE, entry.mode
        case Link():
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
        case File():
            info.mode, info.size = entry.mode, len(entry.data)
            if entry.capabilities:
                # How file capabilities travel in a layer; tarfile writes the header as UTF-8, surrogates as raw bytes.
                value = capability_bytes(entry.capabilities).decode("utf-8", "surrogateescape")
                info.pax_headers = {"SCHILY.xattr.security.capability": value}
            return info, entry.data
    return info, b""
