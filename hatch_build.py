"""Build hook: a wheel carries the programs that are uploaded into pods, or it is not built."""

import hashlib
import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path("k8s_extcap") / "payload" / "bin"
# What most clusters run on; a wheel without one of them would fail where its user least expects it.
_NEEDED = {(name, arch) for name in ("tcpdump", "nsx") for arch in ("amd64", "arm64")}
_REPAIR = "Run `python -m payload.build` in the checkout, then build the wheel again."


class PayloadMissingError(RuntimeError):
    """The wheel would come without programs, or with other ones than its manifest says."""


def checked(root: Path) -> list[Path]:
    """The payload's files, below `root`; `PayloadMissingError` if one is not there or not what was built."""
    folder = root / _FOLDER
    try:
        binaries = json.loads((folder / "manifest.json").read_text())["binaries"]
    except (OSError, ValueError, KeyError) as error:
        raise PayloadMissingError(f"{_FOLDER} has no usable manifest.json. {_REPAIR}") from error
    lacking = _NEEDED - {(entry["name"], entry["arch"]) for entry in binaries}
    if lacking:
        named = ", ".join("-".join(pair) for pair in sorted(lacking))
        raise PayloadMissingError(f"The payload lacks {named}. {_REPAIR}")
    for entry in binaries:
        file = folder / entry["file"]
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
            raise PayloadMissingError(f"{_FOLDER / entry['file']} is not the file that manifest.json names. {_REPAIR}")
    names = ["manifest.json", "LICENSE", "NOTICE", *(entry["file"] for entry in binaries)]
    absent = [name for name in names if not (folder / name).exists()]
    if absent:
        raise PayloadMissingError(f"{_FOLDER} lacks {', '.join(absent)}. {_REPAIR}")
    return [_FOLDER / name for name in names]


class PayloadHook(BuildHookInterface[Any]):
    """Hatch finds it by pyproject.toml's `[tool.hatch.build.targets.wheel.hooks.custom]`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install points into the checkout, where the payload may be built later.
        if version == "editable":
            return
        # Git ignores the binaries and hatch follows git: each file is named, and nothing else slips in.
        for file in checked(Path(self.root)):
            build_data["force_include"][str(Path(self.root) / file)] = file.as_posix()
