"""Clients of one remote stream, to be compared: our capture lane, and kubectl with the peers' commands."""

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
from testbed.cluster.handle import Cluster, PodInfo
from testbed.far import FarSide
from testbed.truth import oracle
from testbed.truth.files import Chunk
from testbed.wait import until

START = 20.0  # seconds for the first byte of a capture
FILTER = "udp port 9"
KSNIFF = ("tcpdump", "-Z", "root", "-n", "-i", "eth0", "-U", "-w", "-")
# With `exec -i`: the far side's end of file, when we end, ends tcpdump; ksniff leaves it running.
_GUARDED = 'exec 3<&0; (cat <&3 >/dev/null; kill -INT $$) & exec "$@" 3<&-'


@dataclass(slots=True)
class Stream:
    """A client that runs: `chunks` collects what it hands on, with times of arrival; `said` is its stderr, at last."""

    process: subprocess.Popen[bytes]
    words: IO[bytes]
    said: str = ""
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
def ours(cluster: Cluster, pod: PodInfo, method: str, packet_filter: str = FILTER) -> Iterator[Stream]:
    """Our capture lane on a FIFO, as Wireshark starts it."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as words:
        fifo = Path(folder, "fifo")
        os.mkfifo(fifo, 0o600)
        argv = [sys.executable, "-I", "-S", "-E", "-X", "utf8", ENTRY, "--capture"]
        argv += ["--extcap-interface", f"k8s-pod-{pod.namespace}.{pod.name}", "--fifo", str(fifo), "--limit-rate", "0"]
        argv += ["--method", method, "--allow", "nsenter", "--helper-image", cluster.image("helper")]
        argv += ["--extcap-capture-filter", packet_filter] if packet_filter else []
        env = {**os.environ, "K8S_EXTCAP_HOME": folder, "KUBECONFIG": str(cluster.kubeconfig)}
        stream = _start(argv, env, words, subprocess.DEVNULL)
        fd = os.open(fifo, os.O_RDONLY)
        try:
            stream.read(fd)
            yield stream
        finally:
            _end(stream)
            os.close(fd)


@contextlib.contextmanager
def kubectl(cluster: Cluster, pod: PodInfo, packet_filter: str = FILTER, *, spdy: bool = False) -> Iterator[Stream]:
    """`kubectl exec` of a stock tcpdump, over WebSocket, or SPDY as ksniff does."""
    argv = ["exec", "-n", pod.namespace, pod.name, "-i", "--", "sh", "-c", _GUARDED, "x", *KSNIFF, packet_filter]
    env = {**os.environ, **({"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"} if spdy else {})}
    with _kubectl(cluster, argv, env) as stream:
        yield stream


@contextlib.contextmanager
def debug(cluster: Cluster, pod: PodInfo, packet_filter: str = FILTER) -> Iterator[Stream]:
    """`kubectl debug`: an ephemeral container that runs a stock tcpdump, beside our method ephemeral. What it prints
    before it is attached to is lost, so it waits for a line; it outlives its client, so it ends after so many packets.
    """
    argv = ["debug", "-n", pod.namespace, pod.name, "-i", "--image", cluster.image("tcpdump"), "--profile=netadmin"]
    argv += ["--image-pull-policy=IfNotPresent", "--quiet", "--", "sh", "-c", 'read -r go; exec "$@"', "x"]
    with _kubectl(cluster, [*argv, *KSNIFF, "-c", "25", packet_filter], dict(os.environ)) as stream:
        assert stream.process.stdin is not None
        stream.process.stdin.write(b"\n")
        stream.process.stdin.flush()
        yield stream


@contextlib.contextmanager
def _kubectl(cluster: Cluster, argv: Sequence[str], env: dict[str, str]) -> Iterator[Stream]:
    command = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), *argv]
    with tempfile.TemporaryFile() as words:
        stream = _start(command, env, words, subprocess.PIPE)
        assert stream.process.stdout is not None
        try:
            stream.read(stream.process.stdout.fileno())
            yield stream
        finally:
            if stream.process.stdin:
                stream.process.stdin.close()
            _end(stream)


def _start(argv: Sequence[str], env: dict[str, str], words: IO[bytes], stdin: int) -> Stream:
    return Stream(subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=words), words)


def _end(stream: Stream) -> None:
    """Ours by the signal that Wireshark sends, kubectl by the end of its input, which was closed."""
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
    stream.words.seek(0)
    stream.said = stream.words.read().decode(errors="replace")


def capturing(far: FarSide) -> None:
    """Waits until a tcpdump has its packet socket in the pod's network: then nothing that is sent can be missed."""
    if not until(lambda: _sockets(far) > 0, START):
        raise OSError("the capture did not start")
    time.sleep(0.3)  # its filter is set and its ring is mapped a moment later


def alone(far: FarSide) -> None:
    """Waits until the one before has gone."""
    if not until(lambda: _sockets(far) == 0, START):
        raise OSError("somebody else captures in the pod")


def _sockets(far: FarSide) -> int:
    """Packet sockets in the network namespace, whoever has them: the method nsenter's is in another container."""
    return len(Path(f"/proc/{far.pid}/net/packet").read_text().splitlines()) - 1
