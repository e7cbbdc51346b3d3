"""An ordinary person's desk: one Wireshark and a home folder that nobody else uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.wireshark import dependencies
from testbed.wireshark.room import USER, Bind, Room


@dataclass(frozen=True)
class Desk:
    """Files of one test, under /tmp since every room sees that: `home`, and what programs leave in `scratch`.

    `python` has the run-time dependencies and `checkout` is the source tree, both as seen from inside the room.
    """

    room: Room
    case: Path
    binds: tuple[Bind, ...]
    offline: bool = False

    @property
    def version(self) -> str:
        return self.room.version

    @property
    def home(self) -> Path:
        return self.case / "home"

    @property
    def scratch(self) -> Path:
        """TMPDIR: captures and FIFOs of Wireshark."""
        return self.case / "scratch"

    @property
    def checkout(self) -> Path:
        return self.case / "checkout" if self.binds else dependencies.CHECKOUT

    @property
    def python(self) -> Path:
        return (self.case / "python" if self.binds else dependencies.environment(self.room)) / "bin/python"

    def install(self, launcher: str, name: str = "k8s-extcap") -> Path:
        """`launcher`, executable, in the personal extcap folder of this version."""
        return self.write(self.room.personal_extcap / name, launcher, mode=0o755)

    def write(self, path: Path | str, text: str, mode: int = 0o600) -> Path:
        """A file of the user's, under HOME."""
        target = self.home / path
        for folder in reversed([parent for parent in target.parents if parent.is_relative_to(self.home)]):
            if not folder.exists():
                folder.mkdir(mode=0o755)
                self._give(folder)
        target.write_text(text)
        target.chmod(mode)
        self._give(target)
        return target

    def copy(self, file: Path, path: Path | str | None = None) -> Path:
        """The user's own copy of a file that only we may read, such as a kubeconfig."""
        return self.write(path or file.name, file.read_text())

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What programs here are started with: nothing of ours, a home of their own, no extcap but the installed."""
        return {
            "HOME": str(self.home),
            "USER": "user",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "TMPDIR": str(self.scratch),
            "XDG_RUNTIME_DIR": str(self.case / "run"),
            # It must exist: without a global folder no extcap is run at all.
            "WIRESHARK_EXTCAP_DIR": str(self.case / "no-extcaps"),
            **(extra or {}),
        }

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        return self.room.command(argv, binds=self.binds, cwd=self.home, offline=self.offline)

    def processes(self) -> dict[int, str]:
        """What runs at this desk now, whoever started it: process ids and command lines, found by their HOME."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"HOME={self.home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue  # it has ended meanwhile, or is another user's
        return found

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, USER, USER)


@contextmanager
def desk(room: Room) -> Iterator[Desk]:
    """A fresh desk, cleared afterwards. As another user than root it stands in no namespace of its own."""
    case = Path(tempfile.mkdtemp(prefix="k8s-extcap-", dir="/tmp"))
    case.chmod(0o755)
    root = os.geteuid() == 0
    try:
        for name, mode in (("home", 0o755), ("scratch", 0o700), ("run", 0o700), ("no-extcaps", 0o755)):
            (case / name).mkdir()
            (case / name).chmod(mode)
            if root:
                os.chown(case / name, USER, USER)
        yield Desk(room, case, dependencies.binds(room, case) if root else ())
    finally:
        shutil.rmtree(case, ignore_errors=True)  # a program that is just ending may still write here
