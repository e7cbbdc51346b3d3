"""Where Wireshark looks for extcap programs, by version, and what of it is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = "k8s-extcap"
# Of the distributions; the host refuses every extcap of a user where its global folder is missing (4.0 to 4.6).
_GLOBAL = ("/usr/libexec/wireshark/extcap", "/usr/lib/*/wireshark/extcap", "/usr/lib*/wireshark/extcap")
PATIENCE = 20.0  # seconds for `tshark -G folders`, which starts no extcap; a cold disk needs two


@dataclass(frozen=True, slots=True)
class Host:
    """One tshark or Wireshark that was found. `folders` are its own words, by what they are for."""

    program: str
    version: str
    folders: Mapping[str, str]

    @property
    def personal(self) -> str:
        return self.folders.get("Personal Extcap path", "")

    @property
    def shared(self) -> str:
        return self.folders.get("Global Extcap path") or self.folders.get("Extcap path", "").partition(":")[0]


def personal(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The personal folders: of 4.2 and newer, then of 4.0. Each version reads its own only, so a launcher in both is
    listed once.
    """
    home = Path(environment.get("HOME") or Path("~").expanduser())
    config = environment.get("XDG_CONFIG_HOME") or str(home / ".config")
    return home / ".local/lib/wireshark/extcap", Path(config) / "wireshark/extcap"


def hosts() -> tuple[Host, ...]:
    """Every tshark and Wireshark on PATH."""
    found = []
    for name in ("tshark", "wireshark"):
        program = shutil.which(name)
        if program:
            found.append(Host(program, _version(program), _folders(program) if name == "tshark" else {}))
    return tuple(found)


def _version(program: str) -> str:
    words = _run(program, "--version").split("\n")[0].split()
    return next((word.rstrip(".") for word in words if word[:1].isdigit()), "")


def _folders(program: str) -> dict[str, str]:
    rows = (line.partition(":") for line in _run(program, "-G", "folders").split("\n"))
    return {name.strip(): value.strip() for name, colon, value in rows if colon}


def _run(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "QT_QPA_PLATFORM": "offscreen"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def shared() -> tuple[Path, ...]:
    """Global folders that exist."""
    found = [path for pattern in _GLOBAL for path in Path("/").glob(pattern[1:]) if path.is_dir()]
    return tuple(dict.fromkeys(found))
