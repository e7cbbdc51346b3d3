"""CPU time and imports of short processes, as the kernel and the interpreter themselves tell them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PYTHON = sys.executable
BARE = (PYTHON, "-I", "-S", "-E", "-c", "pass")
SCRIPT = Path(__file__).resolve().parents[2] / "k8s_extcap/__main__.py"
OURS = (PYTHON, "-I", "-S", "-E", "-X", "utf8", str(SCRIPT))


def cpu(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds of CPU, user and system, of one run."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1)]
        pid = os.posix_spawn(argv[0], list(argv), dict(env), file_actions=actions)
        _, status, used = os.wait4(pid, 0)
    finally:
        os.close(null)
    assert status == 0, f"{argv} ended with {status}"
    return used.ru_utime + used.ru_stime


def ratio(argv: Sequence[str], env: Mapping[str, str], runs: int = 11, bare: Sequence[str] = BARE) -> float:
    """CPU of `argv` as a multiple of a bare interpreter's: medians of runs that take turns, so that both see the same
    machine.
    """
    pairs = [(cpu(bare, env), cpu(argv, env)) for _ in range(runs)]
    return statistics.median(p[1] for p in pairs) / statistics.median(p[0] for p in pairs)


def modules(argv: Sequence[str], env: Mapping[str, str]) -> set[str]:
    """All modules that a Python imported, by its own account (`-X importtime`)."""
    command = [argv[0], "-X", "importtime", *argv[1:]]
    done = subprocess.run(command, env=dict(env), capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=60)
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}
