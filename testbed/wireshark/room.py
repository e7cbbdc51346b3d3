"""Where one Wireshark lives: the machine itself, or a chroot. Turns a command into one that runs there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from testbed.wireshark import release

USER = 1000  # an ordinary user: Wireshark as root warns on stderr and ignores its environment variables
_ENTER = Path(__file__).with_name("enter.py")


class Bind(NamedTuple):
    """`source` of the machine is seen, read-only, at `target` (which exists)."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Room:
    version: str
    root: Path

    @property
    def own(self) -> bool:
        """Whether this is the machine itself."""
        return self.root == Path("/")

    @property
    def python(self) -> Path:
        return Path("/usr/bin/python3")

    @property
    def personal_extcap(self) -> Path:
        """The personal extcap folder under HOME; it moved in 4.2."""
        old = tuple(map(int, self.version.split("."))) < (4, 2)
        return Path(".config/wireshark/extcap" if old else ".local/lib/wireshark/extcap")

    def has(self, program: str) -> bool:
        return any((self.root / folder / program).exists() for folder in ("usr/bin", "usr/local/bin", "usr/sbin"))

    def command(
        self,
        argv: Sequence[str | Path],
        *,
        binds: Iterable[Bind] = (),
        cwd: Path = Path("/"),
        user: int = USER,
        offline: bool = False,
    ) -> list[str]:
        """`argv` as one program of that room, run by the user; its environment is the one it is started with.

        `offline` gives it a network of its own with nothing but `lo`: containers that come and go on the machine
        make Wireshark scan its interfaces again, which spoils every count of calls.
        """
        if os.geteuid() != 0:  # the machine's own, as this user; the caller starts it in `cwd`
            alone = ["unshare", "--user", "--map-current-user", "--net", "--"] if offline else []
            return [str(word) for word in (*alone, *argv)]
        # argparse takes what follows `--` as it is.
        enter = [sys.executable, "-I", "-S", _ENTER, "--root", self.root, "--user", user, "--cwd", cwd]
        for bind in binds:
            enter += ["--bind", *bind]
        unshare = ["unshare", "--mount", "--propagation", "private", *(["--net"] if offline else [])]
        return [str(word) for word in (*unshare, "--", *enter, "--", *argv)]


def find(version: str) -> Room | None:
    """The room of that version if it is there: the machine's own first, then the chroot."""
    if release.native() == version:
        return Room(version, Path("/"))
    return chroot(version)


def chroot(version: str) -> Room | None:
    """The chroot of that version if it has been made and this user may enter it."""
    root = release.folder() / version
    if os.geteuid() != 0 or not (root / "usr/bin/tshark").exists():
        return None
    return Room(version, root)


def missing() -> str | None:
    """Why chroots cannot be made or entered here, as the end of a sentence; None if they can."""
    if os.geteuid() != 0:
        return "only root can enter a chroot"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        return "the package debian-archive-keyring is not installed"
    return None
