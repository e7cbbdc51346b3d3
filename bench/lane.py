"""Clients of one remote stream, to be compared: our capture lane, and `kubectl exec` with the peers' command."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench import measure
from bench.hot import ENTRY
from testbed.cluster.handle import Cluster
from testbed.far import FarSide, until
from testbed.truth import oracle
from testbed.truth.files import Chunk

START = 20.0  # seconds for the first byte of a capture
FILTER = "udp port 9"


@dataclass(slots=True)
class Stream:
    """A client that runs: `chunks` collects what it hands on, with times of arrival."""

    process: subprocess.Popen[bytes]
    chunks: list[Chunk] = field(default_factory=list)
    clock: float = field(default_factory=time.time)
    reader: threading.Thread | None = None

    def read(self, fd: int) -> None:
        def work() -> None:
            for chunk in oracle.live(fd):
                self.chunks.append(chunk)

        self.reader = threading.Thread(target=work, daemon=True)
        self.reader.start()

    def usage(self) -> measure.Live:
        return measure.live(self.process.pid)


@contextlib.contextmanager
def ours(
    cluster: Cluster, interface: str, method: str, packet_filter: str = FILTER, output: str = "pcapng"
) -> Iterator[Stream]:
    """Our capture lane on a FIFO, as Wireshark starts it."""
    with tempfile.TemporaryDirectory() as folder:
        fifo = Path(folder, "fifo")
        os.mkfifo(fifo, 0o600)
        argv = [sys.executable, "-I", "-S", "-E", "-X", "utf8", ENTRY, "--capture", "--extcap-interface", interface]
        argv += ["--fifo", str(fifo), "--method", method, "--allow", "nsenter", "--output", output, "--limit-rate", "0"]
        argv += ["--extcap-capture-filter", packet_filter] if packet_filter else []
        env = {**os.environ, "K8S_EXTCAP_HOME": folder, "KUBECONFIG": str(cluster.kubeconfig)}
        stream = Stream(_start(argv, env, subprocess.DEVNULL))
        fd = os.open(fifo, os.O_RDONLY)
        try:
            stream.read(fd)
            yield stream
        finally:
            _end(stream)
            os.close(fd)


@contextlib.contextmanager
def kubectl(
    cluster: Cluster, namespace: str, pod: str, command: Sequence[str], *, spdy: bool = False
) -> Iterator[Stream]:
    """`kubectl exec`, over WebSocket, or SPDY as ksniff does."""
    argv = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), "exec", "-n", namespace, pod]
    env = {**os.environ, **({"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"} if spdy else {})}
    # -i: the far side's end of file, when we end, ends tcpdump; ksniff leaves it running.
    guarded = 'exec 3<&0; (cat <&3 >/dev/null; kill -INT $$) & exec "$@" 3<&-'
    argv += ["-i", "--", "sh", "-c", guarded, "x", *command]
    stream = Stream(_start(argv, env, subprocess.PIPE))
    assert stream.process.stdout is not None
    try:
        stream.read(stream.process.stdout.fileno())
        yield stream
    finally:
        if stream.process.stdin:
            stream.process.stdin.close()
        _end(stream)


def _start(argv: Sequence[str], env: dict[str, str], stdin: int | IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _end(stream: Stream) -> None:
    if stream.process.stdin is None:
        stream.process.terminate()
    try:
        stream.process.wait(5)
    except subprocess.TimeoutExpired:
        stream.process.kill()
        stream.process.wait()
    if stream.reader:
        stream.reader.join(2)
    if stream.process.stdout:
        stream.process.stdout.close()


def capturing(far: FarSide) -> bool:
    """Waits until the far side's tcpdump has its packet socket: then nothing that is sent can be missed."""

    def listening() -> bool:
        return len([line for line in far.ours() if "tcpdump" in line and " -w " in line]) > 0

    if not until(listening, START):
        return False
    time.sleep(0.5)
    return True
