"""tshark of one version, at a desk of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from testbed import group
from testbed.wireshark.desk import Desk


@dataclass(frozen=True)
class Tshark:
    """`desk.install(text)` puts an extcap into its personal folder; nothing else lists interfaces but Wireshark."""

    desk: Desk

    @property
    def version(self) -> str:
        return self.desk.version

    def run(
        self, *args: str, timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The whole run of a tshark. `timeout` in seconds; then SIGKILL and subprocess.TimeoutExpired."""
        return self.other("tshark", *args, timeout=timeout, env=env)

    def other(
        self, *argv: str, timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Another program at the same desk, such as capinfos or the extcap itself."""
        process = self._start(argv, env, subprocess.PIPE, subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            end(process)
            raise
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def start(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """A live tshark, leader of a process group as in a terminal; its `pid` is tshark's own.

        `terminate()` and `kill()` reach tshark alone, `interrupt(process)` is Ctrl+C. Call `end(process)` at last.
        """
        return self._start(("tshark", *args), env, stdout, stderr)

    def _start(
        self, argv: tuple[str, ...], env: Mapping[str, str] | None, stdout: int | IO[str], stderr: int | IO[str]
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.desk.command(argv),
            cwd=self.desk.home,
            env=self.desk.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl+C in a terminal: SIGINT to the whole process group, so tshark, dumpcap and the extcap all see it."""
    os.killpg(process.pid, signal.SIGINT)


def end(process: subprocess.Popen[str]) -> None:
    """Whatever is left of the process group of `start` goes."""
    group.kill(process)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
