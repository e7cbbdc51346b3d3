"""Certificates and keys on their way from the kubeconfig to a TLS context, which OpenSSL loads from files only.

The library decodes them into temporary files that stay where a process is killed. Here they are in a file of memory
(memfd_create(2)), which no disk ever sees and which ends with the process; where the system has none (macOS, Windows),
in a file of a private folder that carries its owner's name, for the milliseconds that loading takes.
"""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Keys = Callable[[], str]  # the name of this process's private folder; its parent is made with it


class Material(NamedTuple):
    """PEM. A secret: never to be logged, hence its empty `repr`."""

    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return "Material()"


def take(cluster: dict[str, Any], user: dict[str, Any] | None) -> Material:
    """What the entries hold as data, taken out of them together with the files that it goes before. ValueError."""
    return Material(
        _take(cluster, "certificate-authority"), _take(user, "client-certificate"), _take(user, "client-key")
    )


def _take(entry: dict[str, Any] | None, name: str) -> bytes:
    data = (entry or {}).pop(f"{name}-data", None)
    if not data or entry is None:
        return b""
    entry.pop(name, None)
    return base64.standard_b64decode(data)


def context(material: Material, authority_file: str, keys: Keys, *, verify: bool) -> ssl.SSLContext:
    """The TLS settings for requests and streams. ssl.SSLError, OSError, ValueError."""
    known = material.authority.decode("ascii", "ignore") if material.authority else None  # comments may be any text
    tls = ssl.create_default_context(cafile=(authority_file or None) if known is None else None, cadata=known)
    # Many clusters' own CAs lack the key usage extension that Python 3.13 asks for by default; Go does not ask.
    tls.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    if material.certificate:
        with readable(material.certificate + b"\n" + material.key, keys) as path:
            tls.load_cert_chain(path, password=_none)
    if not verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


def _none() -> str:
    """OpenSSL would ask for it on a terminal that nobody looks at."""
    raise ValueError("the client key is encrypted, which kubectl does not take either")


@contextmanager
def readable(content: bytes, keys: Keys) -> Iterator[str]:
    """A path from which `content` can be read as long as the block lasts. OSError."""
    handle = -1
    try:
        if sys.platform == "linux":
            handle = os.memfd_create("k8s-extcap")
    except (AttributeError, OSError):  # musl before 1.1.20, or a sandbox that forbids it
        pass
    if handle < 0 or not Path(f"/proc/self/fd/{handle}").exists():  # a chroot without /proc
        if handle >= 0:
            os.close(handle)
        with _filed(content, keys()) as path:
            yield path
        return
    try:
        _fill(handle, content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _fill(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


@contextmanager
def _filed(content: bytes, folder: str) -> Iterator[str]:
    parent = Path(folder).parent
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if sys.platform != "win32" and (
        not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022
    ):
        raise PermissionError(0, f"others may write to {parent}")
    own = tempfile.mkdtemp(prefix=f"{Path(folder).name}.", dir=parent)  # 0700, a name that nobody had
    try:
        path = f"{own}/pem"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            _fill(handle, content)
        finally:
            os.close(handle)
        yield path
    finally:
        shutil.rmtree(own, ignore_errors=True)  # what is left is the janitor's
