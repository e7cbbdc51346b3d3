"""Fetch and unpack the pinned sources: a file with another digest is never unpacked."""

import hashlib
import lzma
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# Where a machine that has no Debian mirror among its package sources (Ubuntu) goes.
DEBIAN = "http://deb.debian.org/debian"
_APT_HELPER = "/usr/lib/apt/apt-helper"
_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


class Source(NamedTuple):
    """An upstream release as Debian carries it: same bytes, and mirrors keep it while a suite has it."""

    name: str
    version: str
    sha256: str
    pool: str  # folder inside a Debian mirror
    upstream: str

    @property
    def file(self) -> str:
        return f"{self.name}_{self.version}.orig.tar.xz"


TCPDUMP = Source(
    "tcpdump",
    "4.99.6",
    "40a8cefd45f0d2a06827e6658efb830d484868c449ad80f7efb33516af44f3da",
    "pool/main/t/tcpdump",
    "https://www.tcpdump.org/release",
)
LIBPCAP = Source(
    "libpcap",
    "1.10.5",
    "84fa89ac6d303028c1c5b754abff77224f45eca0a94eb1a34ff0aa9ceece3925",
    "pool/main/libp/libpcap",
    "https://www.tcpdump.org/release",
)


class SourceMissingError(Exception):
    """A pinned source could not be fetched from anywhere."""


def mirrors() -> Iterator[str]:
    """Package mirrors that this machine is configured for, then Debian's own."""
    seen = set()
    for place in _SOURCES:
        files = sorted(place.glob("*")) if place.is_dir() else [place] if place.exists() else []
        for file in files:
            for url in re.findall(r"^(?:URIs:|deb(?:-src)?\s).*?(https?://\S+)", file.read_text(), re.MULTILINE):
                # Ubuntu's pool has the same shape; other vendors' archives are asked in vain, which costs a 404.
                if url.rstrip("/") not in seen and "/debian-security" not in url:
                    seen.add(url.rstrip("/"))
                    yield url.rstrip("/")
    if DEBIAN not in seen:
        yield DEBIAN


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fetch(source: Source, folder: Path, places: Iterable[str] | None = None) -> Path:
    """The verified tarball in `folder`, downloaded by apt's own helper (which knows the machine's proxy).

    `places` are mirrors to ask before upstream; by default those of this machine and Debian's own.
    """
    file = folder / source.file
    if file.exists() and digest(file) == source.sha256:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    urls = [f"{mirror}/{source.pool}/{source.file}" for mirror in places or mirrors()]
    urls.append(f"{source.upstream}/{source.name}-{source.version}.tar.xz")
    said = ""
    for url in urls:
        # root's cache folder is closed to apt's sandbox user, and the digest is what protects us anyway
        command = [_APT_HELPER, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"]
        command += ["download-file", url, str(file), f"SHA256:{source.sha256}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and digest(file) == source.sha256:
            return file
        said = (done.stderr.strip().splitlines() or ["no answer"])[0]
    sentence = (
        f"{source.file} could not be fetched from any of {len(urls)} places ({said}). Set apt's proxy "
        f"(http_proxy), or put the file with sha256 {source.sha256[:16]}... into {folder}, then try again."
    )
    raise SourceMissingError(sentence)


def unpack(tarball: Path, into: Path) -> None:
    """Unpack with the top folder's name replaced by `into`, which must not exist yet."""
    scratch = into.with_name(into.name + ".unpack")
    shutil.rmtree(scratch, ignore_errors=True)
    with lzma.open(tarball) as plain, tarfile.open(fileobj=plain) as archive:
        # Python 3.11.4; Debian 12 has 3.11.2, where its digest alone is what the archive is trusted for.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(scratch)  # noqa: S202  checked against its digest by `fetch`
    (top,) = scratch.iterdir()
    top.rename(into)
    scratch.rmdir()
