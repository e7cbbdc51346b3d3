"""The compiler: clang, musl and linker for every target, from PyPI's ziglang."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

VERSION = "0.17.0"


class CompilerMissingError(Exception):
    """ziglang could not be installed into the cache."""


def _version_of(program: Path) -> str:
    done = subprocess.run([program, "version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def at_hand(cache: Path) -> Path | None:
    """The zig program of the pinned version, if there is one: this environment's, else the one kept in `cache`."""
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.origin is not None:
        installed = Path(spec.origin).with_name("zig")
        if installed.exists() and _version_of(installed) == VERSION:
            return installed
    kept = _folder(cache) / "ziglang" / "zig"
    return kept if kept.exists() else None


def _folder(cache: Path) -> Path:
    return cache / "zig" / VERSION


def compiler(cache: Path) -> Path:
    """The zig program of the pinned version; where none is at hand, it is installed into `cache`."""
    if program := at_hand(cache):
        return program
    folder = _folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--target", str(folder), f"ziglang=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        sentence = (
            f"ziglang {VERSION} could not be installed from PyPI: {said[:150]}. "
            "Set PIP_INDEX_URL or HTTPS_PROXY as your network needs it, then try again."
        )
        raise CompilerMissingError(sentence)
    return folder / "ziglang" / "zig"


def environment(cache: Path) -> dict[str, str]:
    """This process's environment with zig's own caches inside ours."""
    return {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache / "zig" / "objects"),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "zig" / "objects"),
        "SOURCE_DATE_EPOCH": "1700000000",  # any fixed second: nothing may depend on when it was built
    }
