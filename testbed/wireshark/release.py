"""Which Wiresharks the bed has, and where each comes from."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from testbed.cluster.bed import default_root

DEBIAN = "http://deb.debian.org/debian"


class Release(NamedTuple):
    """A Wireshark by its minor version, and the Debian suite that carries it."""

    version: str
    suite: str


RELEASES = (Release("4.0", "bookworm"), Release("4.4", "trixie"), Release("4.6", "forky"))


def folder() -> Path:
    """Where chroots and dependency environments are kept: in the test bed's folder, never in the checkout."""
    return default_root() / "wireshark"


def minor(banner: str) -> str | None:
    """`TShark (Wireshark) 4.0.17 (Git …)` is 4.0."""
    found = re.search(r"\bTShark \(Wireshark\) (\d+\.\d+)\.", banner)
    return found[1] if found else None


@functools.cache
def native() -> str | None:
    """The version of the machine's own tshark, if there is one."""
    try:
        banner = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return minor(banner.stdout)


def versions() -> tuple[str, ...]:
    """Every version worth testing on this machine, oldest first."""
    own = native()
    wanted = {release.version for release in RELEASES} | ({own} if own else set())
    return tuple(sorted(wanted, key=lambda version: tuple(map(int, version.split(".")))))


def suite(version: str) -> str:
    for release in RELEASES:
        if release.version == version:
            return release.suite
    known = ", ".join(release.version for release in RELEASES)
    raise ValueError(f"There is no Debian suite for Wireshark {version}; choose one of {known}.")


def mirror() -> str:
    """The Debian mirror that this machine itself uses; elsewhere `K8S_EXTCAP_DEBIAN_MIRROR`, or the public one."""
    if chosen := os.environ.get("K8S_EXTCAP_DEBIAN_MIRROR"):
        return chosen
    system = _os_release()
    if system.get("ID") != "debian":
        return DEBIAN
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    for line in lines:
        release, _, address = line.partition(" ")
        if release == system.get("VERSION_CODENAME"):
            return address.rstrip("/")
    return DEBIAN


def _os_release() -> dict[str, str]:
    pairs = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    return {key: value.strip('"') for key, _, value in pairs}
