"""A capture against a hostile pod, and all that it may not do: take memory or CPU, write files, pass on what a terminal
would obey, or go on for ever.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from testbed.wait import until
from tests.golden.errors.golden import proper
from tests.golden.errors.stage import Lane

MEMORY = 150_000  # kB of all processes of a capture together, at their largest
KEPT = 4 << 20  # bytes of the capture that are looked at: a flood is counted only
END = 30.0  # seconds for an end that takes two on an idle machine
_TICKS = os.sysconf("SC_CLK_TCK")
# Type of a block -> where its options begin, which of them are text (draft-ietf-opsawg-pcapng).
_OPTIONS = {0x0A0D0D0A: (24, (1, 2, 3, 4)), 1: (16, (1, 2, 3)), 5: (20, (1,))}
_OURS = {"fifo", "state", "cache", "config", "tmp", "cwd"}


@dataclass
class Usage:
    """Peaks of the processes of one session, by process number."""

    peaks: dict[int, int] = field(default_factory=dict)  # kB
    cpu: dict[int, float] = field(default_factory=dict)  # seconds
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def memory(self) -> int:
        return sum(self.peaks.values())

    @property
    def cores(self) -> float:
        return sum(self.cpu.values()) / max(self.seconds, 1e-9)

    def look(self, session: int) -> None:
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) != session:
                    continue
                told = (entry / "status").read_text()
            except OSError:
                continue
            if "VmHWM:" in told:
                self.peaks[int(entry.name)] = int(told.partition("VmHWM:")[2].split()[0])
                self.cpu[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
        self.seconds = time.monotonic() - self.began


class Watched(Lane):
    """The capture lane with folders of its own for everything. Only the beginning of the capture is kept."""

    def __init__(self, home: Path, kubeconfig: Path | str) -> None:
        super().__init__(home, kubeconfig)
        self.octets = 0
        self.usage = Usage()
        self._done = threading.Event()

    def _read(self, fifo: Path) -> None:
        kept = bytearray()
        with fifo.open("rb", buffering=0) as stream:
            self.opened = True
            while piece := stream.read(1 << 20):
                self.octets += len(piece)
                kept += piece[: KEPT - len(kept)]
        self.received = bytes(kept)

    def go(self, interface: str, *options: str) -> subprocess.Popen[bytes]:
        """Starts it, and watches what it takes."""
        for name in ("", "tmp", "cwd"):
            (self.home / name).mkdir(mode=0o700, exist_ok=True)
        before = Path.cwd()
        os.chdir(self.home / "cwd")
        try:
            process = self.start(interface, *options, env={"TMPDIR": str(self.home / "tmp"), "HOME": str(self.home)})
        finally:
            os.chdir(before)
        self._watcher = threading.Thread(target=self._watch, args=(process,), daemon=True)
        self._watcher.start()
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while not self._done.wait(0.1):
            self.usage.look(process.pid)

    def over(self, process: subprocess.Popen[bytes], *, after: float = 0.0) -> tuple[int, str]:
        """Exit code and stderr. It ends by itself; or, with `after`, runs on for so many seconds and is then stopped.
        What holds for every capture is asserted.
        """
        if after:
            assert not until(lambda: process.poll() is not None, after), self.log()
            process.send_signal(signal.SIGTERM)
        try:
            code, said = self.finish(process, END)
        finally:
            self._done.set()
            self._watcher.join()
        text = said.decode()
        assert self.usage.memory < MEMORY, self.usage
        assert self.usage.cores < 1, self.usage
        self._harmless(text)
        if code:
            proper(text.strip())
        return code, text.strip()

    def _harmless(self, said: str) -> None:
        for text in (said, self.log()):
            assert all(c.isprintable() or c in "\n\t" for c in text), ascii(text)
        assert len(said) < 1024  # what Wireshark shows of it
        for line in comments(self.received):
            assert line.isprintable(), ascii(line)
        assert {p.name for p in self.home.iterdir()} <= _OURS
        for folder in ("tmp", "cwd"):
            assert list((self.home / folder).iterdir()) == []


def comments(data: bytes) -> list[str]:
    """Lines of every text that stands in a pcapng file beside its packets."""
    found, at = [], 0
    while at + 12 <= len(data):
        kind, total = struct.unpack_from("<II", data, at)
        options, codes = _OPTIONS.get(kind, (0, ()))
        if options and at + total <= len(data):
            found += _texts(data[at : at + total - 4], options, codes)
        at += max(total, 12)
    return found


def _texts(block: bytes, at: int, codes: tuple[int, ...]) -> list[str]:
    found: list[str] = []
    while at + 4 <= len(block):
        code, size = struct.unpack_from("<HH", block, at)
        if code in codes:
            found += block[at + 4 : at + 4 + size].decode(errors="replace").split("\n")
        at += 4 + size + (-size & 3)
    return found
