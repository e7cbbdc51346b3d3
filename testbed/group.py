"""The process group of a program that was started with a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess


def kill(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Whatever is left of it goes, and the program is reaped."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of it has ended
    process.wait()
