"""A capture on its standard output, read live: the product's command, or kubectl's, with numbered packets to send."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from testbed import group
from testbed.cluster.handle import Cluster, PodInfo
from testbed.far import FarSide, processes
from testbed.matrix.pods import IDLE, NODES
from testbed.matrix.results import ROOT
from testbed.matrix.site import Site
from testbed.truth import launch
from testbed.truth.files import Chunk
from testbed.truth.oracle import live

START = 40  # seconds until a capture runs: a helper pod on a busy machine takes ten
END = 20  # seconds until it has ended: a time-out, no promise
PORT = 9
_PCAP_HEADER = 24


class Taking:
    """One capture at work. `chunks` grow while it runs; `listening` is set when its packet socket has its filter:
    tcpdump writes its header only then, and the product the interface's description only after that.
    """

    def __init__(self, process: subprocess.Popen[bytes], said: Path, *, keep: bool = True) -> None:
        self.process = process
        self.chunks: list[Chunk] = []
        self.listening = threading.Event()
        self.reading = threading.Event()  # cleared, the reader takes nothing: a Wireshark that is busy
        self.reading.set()
        self._said = said
        self._keep = keep
        self._head = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        if keep:
            self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for chunk in self.stream():
            self.chunks.append(chunk)
            self.reading.wait()

    def stream(self) -> Iterator[Chunk]:
        """What comes, live. For one reader only: this object's own, unless it was told to keep nothing."""
        assert self.process.stdout is not None
        for chunk in live(self.process.stdout.fileno()):
            if not self.listening.is_set():
                self._head += chunk.data
                if _described(self._head):
                    self.listening.set()
            yield chunk
        self.listening.set()

    def wait(self) -> None:
        """Until it captures. TimeoutError with its last words where it does not."""
        if not self.listening.wait(START) or self.process.poll() is not None:
            raise TimeoutError(f"no capture after {START} s: {self.said()[-300:]}")

    def said(self) -> str:
        return self._said.read_text(errors="replace")

    def end(self) -> int:
        """Ctrl+C, and its exit code when all has been read."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.join()

    def join(self) -> int:
        code = self.process.wait(END)
        if self._keep:
            self.reader.join(END)
        return code


def _described(head: bytes) -> bool:
    """Whether the headers are there: of pcap one, of pcapng the section's and an interface's."""
    if head[:4] != b"\x0a\x0d\x0d\x0a":
        return len(head) >= _PCAP_HEADER
    section = int.from_bytes(head[4:8], "little")
    return len(head) >= section + 8 and len(head) >= section + int.from_bytes(head[section + 4 : section + 8], "little")


@contextmanager
def taking(
    words: Sequence[str], home: Path, env: dict[str, str] | None = None, *, keep: bool = True
) -> Iterator[Taking]:
    """Runs `words`, which write a capture to their standard output; a process group of its own, gone afterwards."""
    said = home / f"said-{time.monotonic_ns()}"
    with said.open("wb") as words_of_it:
        process = subprocess.Popen(
            list(words),
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words_of_it,
            start_new_session=True,
        )
    made = Taking(process, said, keep=keep)
    try:
        yield made
    finally:
        group.kill(process)
        if keep:
            made.reader.join(END)
        if process.stdout:
            process.stdout.close()


class Stage(NamedTuple):
    """A silent pod that numbered packets leave from, and the one on the other node that they go to."""

    cluster: Cluster
    node: str
    pod: PodInfo
    far: FarSide
    peer: FarSide
    address: str

    @property
    def target(self) -> str:
        return f"{self.pod.namespace}/{self.pod.name}"

    def send(
        self, protocol: str, rate: int, count: int, *, size: int = 200, batch: int = 1, number: int = 1
    ) -> launch.Sent:
        """`count` messages of that flow, and every one has left when this returns."""
        kind: Literal["tcp", "udp"] = "tcp" if protocol == "tcp" else "udp"
        flow = launch.Flow(kind, self.address, PORT, rate, count, size, batch, number)
        return launch.send(flow, self.far.inside())

    def sending(self, protocol: Literal["tcp", "udp"], rate: int, *, size: int = 200) -> launch.Running:
        """A sender that goes on until it is stopped."""
        return launch.Running(launch.Flow(protocol, self.address, PORT, rate, size=size), self.far.inside())

    def warm(self) -> None:
        """The neighbour is known: while the kernel looks for one it drops packets that nobody can capture."""
        launch.send(launch.Flow("udp", self.address, port=PORT + 1, messages=1), self.far.inside())

    @contextmanager
    def counted(self, protocol: str) -> Iterator[list[int]]:
        """The kernel's own count of packets from and to PORT in this pod, in the list when the block is left.

        A super-frame is one, as it is for a capture.
        """
        inside, table = self.far.inside(), "truth"
        found: list[int] = []
        _nft(inside, "add", "table", "inet", table)
        try:
            for hook, side in (("output", "dport"), ("input", "sport")):
                _nft(inside, "add", "chain", "inet", table, hook, f"{{ type filter hook {hook} priority 0; }}")
                _nft(inside, "add", "rule", "inet", table, hook, protocol, side, str(PORT), "counter")
            yield found
            told = json.loads(_nft(inside, "-j", "list", "table", "inet", table))["nftables"]
            parts = [part for entry in told if "rule" in entry for part in entry["rule"]["expr"]]
            found.append(sum(part["counter"]["packets"] for part in parts if "counter" in part))
        finally:
            _nft(inside, "delete", "table", "inet", table)


def _nft(inside: Sequence[str], *words: str) -> str:
    return subprocess.run([*inside, "nft", *words], capture_output=True, text=True, check=True).stdout


def between(cluster: Cluster, pod: PodInfo, other: PodInfo) -> Stage:
    return Stage(cluster, pod.node, pod, FarSide(cluster, pod), FarSide(cluster, other), other.ip)


def stage(site: Site, node: str) -> Stage:
    """The matrix's own silent pods."""
    other = next(n for n in NODES if n != node)
    return between(site.cluster, site.pod(IDLE, node), site.pod(IDLE, other))


def interrupt_far(far: FarSide) -> None:
    """SIGINT to every tcpdump in that container: kubectl has no way to end what it started."""
    for pid, line in processes(far.id).items():
        if "tcpdump" in line and "-w" in line:
            os.kill(pid, signal.SIGINT)
