"""The small C programs of the images, as static binaries: by the machine's compiler, else by ziglang's."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "src"
WORDS = ("-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror")


class CompilerError(Exception):
    """No compiler, or it refuses: a sentence."""


def compilers() -> list[list[str]]:
    """Those that are here, best first. zig brings its own libc (musl); gcc needs the distribution's static one."""
    found = [[path] for name in ("gcc", "cc") if (path := shutil.which(name))]
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-musl"
        found.append([sys.executable, "-m", "ziglang", "cc", "-target", target])
    return found


def build(name: str, folder: Path) -> Path:
    """SOURCES/NAME.c -> FOLDER/NAME, unless it is there and newer than its source."""
    source, target = SOURCES / f"{name}.c", folder / name
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    said = "no C compiler: install gcc and libc6-dev, or the Python package ziglang"
    for compiler in compilers():
        done = subprocess.run(
            [*compiler, *WORDS, "-o", str(fresh), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            fresh.replace(target)
            return target
        said = f"{Path(compiler[0]).name} says: {(done.stderr.strip() or 'nothing').splitlines()[0][:200]}"
    raise CompilerError(f"{source.name} cannot be compiled: {said}")
