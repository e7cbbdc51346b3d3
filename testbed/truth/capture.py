"""A capture program at work in a namespace, its stream read live and its last words kept."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from testbed.truth.files import Chunk
from testbed.truth.oracle import live

# Generous: a busy machine may take seconds to start a program, never this long.
_PATIENCE_S = 30


class Said(NamedTuple):
    """tcpdump's counters at its end, and everything it wrote to standard error."""

    captured: int
    received: int
    dropped: int
    text: str


class Usage(NamedTuple):
    """What the running process has cost until now."""

    cpu_s: float
    writes: int


class Capture:
    """Runs `command`, which writes a capture to its standard output; use as a context manager.

    Entering waits for "listening on", so that what is sent in the block is captured.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self.chunks: list[Chunk] = []
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        self._words = threading.Thread(target=self._listen)
        self._words.start()
        self.wait_for(r"listening on")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._words.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.decode(errors="replace"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append("")  # the end: whoever waits looks once more
            self._changed.notify_all()

    def wait_for(self, pattern: str) -> str:
        """The first line of standard error that matches; fails when it ends or stays silent without one."""

        def found() -> str | None:
            return next((line for line in self.lines if re.search(pattern, line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or "" in self.lines, timeout=_PATIENCE_S)
            line = found()
        if line is None:
            raise OSError(f"no {pattern!r} from {self._command}: {''.join(self.lines)!r}")
        return line

    def read(self) -> threading.Thread:
        """Begin to collect `chunks`, each with its time of arrival, until the stream ends."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        reader = threading.Thread(target=lambda: self.chunks.extend(live(descriptor)))
        reader.start()
        return reader

    def usage(self) -> Usage:
        process = Path("/proc") / str(self.process.pid)
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        writes = int(re.findall(r"syscw: (\d+)", (process / "io").read_text())[0])
        ticks = int(fields[11]) + int(fields[12])  # utime and stime: proc(5), fields 14 and 15
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), writes)

    def stop(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def said(self) -> Said:
        """Wait for the end and read the three counters."""
        self.process.wait(_PATIENCE_S)
        self._words.join(_PATIENCE_S)
        text = "".join(self.lines)

        def counter(what: str) -> int:
            return int(re.findall(rf"(?m)^(\d+) packets? {what}", text)[-1])

        return Said(counter("captured"), counter("received by filter"), counter("dropped by kernel"), text)
