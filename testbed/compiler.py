"""The small C programs of the test bed as static binaries, by the compiler that makes the payload."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path

from payload import zig
from payload.build import cache_root
from payload.targets import target

FLAGS = ("-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror")
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


class CompilerError(Exception):
    """No compiler, or it refuses: a sentence."""


def at_hand() -> bool:
    """Whether a compilation would download nothing."""
    return zig.at_hand(cache_root()) is not None


def static(source: Path) -> Path:
    """The program of one C file for this machine: compiled once, kept by what it was made of. CompilerError."""
    row = target(ARCH[platform.machine()])
    recipe = source.read_bytes() + repr((row, FLAGS, zig.VERSION)).encode()
    folder = cache_root() / "testbed" / "programs" / hashlib.sha256(recipe).hexdigest()[:16]
    program = folder / source.stem
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    try:
        words = [str(zig.compiler(cache_root())), "cc", "-target", row.triple, f"-mcpu={row.cpu}", *FLAGS]
    except zig.CompilerMissingError as error:
        raise CompilerError(f"{source.name} cannot be compiled: {error}") from error
    fresh = program.with_suffix(f".{os.getpid()}")  # a test and the bed may make it at the same time
    environment = zig.environment(cache_root())
    done = subprocess.run([*words, "-o", fresh, source], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or "nothing").splitlines()[0][:200]
        raise CompilerError(f"{source.name} cannot be compiled: zig says: {said}")
    fresh.replace(program)
    return program
