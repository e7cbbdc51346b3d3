"""The product as its users start it: the command, and the capture lane of a Wireshark. Each in a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from testbed import group
from testbed.matrix.pods import HELPERS
from testbed.matrix.results import ROOT, Outcome
from testbed.matrix.site import Site
from testbed.truth import oracle
from testbed.truth.files import Chunk, NotACaptureError, frames

HELPER = ("--helper-image", "localhost/helper:1", "--helper-namespace", HELPERS)
#: Exit codes of model/errors.py that are an answer and no failure: refused by the API, no such target, no method.
ANSWERS = (6, 7, 8)
PATIENCE = 90  # seconds: a command that takes longer hangs


class Ended(NamedTuple):
    """What a command came to. `packets` in its file; `said` is its standard error, `printed` its standard output."""

    code: int
    said: str
    printed: str
    packets: int
    seconds: float

    def outcome(self, wanted: int) -> Outcome:
        """Works with at least `wanted` packets; refused with its sentence; anything else is a failure."""
        last = (self.said.strip().splitlines() or [""])[-1]
        figures = {"packets": self.packets, "capture_seconds": round(self.seconds, 1)}
        if self.code in ANSWERS:
            return Outcome("refused", last, figures)
        if self.code or self.packets < wanted:
            return Outcome("failed", f"exit {self.code}, {self.packets} packets: {last}"[:400], figures)
        return Outcome("works", "", figures)


def home(site: Site, name: str) -> Path:
    """A fresh home; every process that belongs to it is known by it."""
    path = site.work / f"{name}-{time.monotonic_ns()}"
    path.mkdir(parents=True, mode=0o700)
    return path


def environment(home: Path, kubeconfig: Path) -> dict[str, str]:
    return {**os.environ, "K8S_EXTCAP_HOME": str(home), "KUBECONFIG": str(kubeconfig)}


def start(
    site: Site, home: Path, *words: str, kubeconfig: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """`k8s-extcap WORDS`, leader of a process group of its own, as in a terminal."""
    return subprocess.Popen(
        ["nice", "-n", "5", sys.executable, "-m", "k8s_extcap", *words],
        cwd=ROOT,
        env={**environment(home, kubeconfig or site.cluster.kubeconfig), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def command(site: Site, home: Path, *words: str) -> Ended:
    """The whole run of a command."""
    began = time.monotonic()
    process = start(site, home, *words)
    try:
        printed, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, said = process.communicate()
        said += f"\nkilled: it did not end within {PATIENCE} s"
    return Ended(process.returncode, said, printed, 0, time.monotonic() - began)


def capture(site: Site, home: Path, target: str, *options: str) -> Ended:
    """`k8s-extcap capture`, into a file whose packets are counted by code that is not the product's."""
    file = home / "capture.pcapng"
    ended = command(site, home, "capture", target, *HELPER, "--log-level", "info", *options, "-w", str(file))
    return ended._replace(packets=count(file))


def count(file: Path) -> int:
    try:
        return sum(1 for _ in frames(oracle.stored(file)))
    except (OSError, NotACaptureError):
        return 0


def kill(process: subprocess.Popen[str]) -> None:
    """Whatever is left of its process group, and its pipes."""
    group.kill(process)
    process.communicate()


class Lane:
    """The capture lane as Wireshark starts it, with a reader on the FIFO until it closes."""

    def __init__(self, site: Site, home: Path, interface: str, *options: str, kubeconfig: Path | None = None) -> None:
        fifo = home / "fifo"
        os.mkfifo(fifo, 0o600)
        self.home = home
        self.data: list[Chunk] = []
        self.flows = threading.Event()  # packets came: more than the headers
        words = ("--capture", "--extcap-interface", interface, "--fifo", str(fifo))
        self.process = start(site, home, *words, *options, kubeconfig=kubeconfig)
        self._fd = os.open(fifo, os.O_RDONLY)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        octets = 0
        for chunk in oracle.live(self._fd):
            self.data.append(chunk)
            octets += len(chunk.data)
            if octets > 400:  # section and interface description are shorter, two packets are longer
                self.flows.set()
        self.flows.set()

    def close(self) -> None:
        kill(self.process)
        self.reader.join(5)
        os.close(self._fd)


@contextmanager
def lane(site: Site, home: Path, interface: str, *options: str, kubeconfig: Path | None = None) -> Iterator[Lane]:
    made = Lane(site, home, interface, *options, kubeconfig=kubeconfig)
    try:
        yield made
    finally:
        made.close()
