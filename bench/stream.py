"""Loss, delay, CPU and memory of the whole way: numbered packets in a pod -> reader of the FIFO, beside kubectl."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import lane, measure
from bench.table import Table
from testbed.cluster.handle import Cluster
from testbed.far import FarSide
from testbed.truth import launch, oracle
from testbed.truth.files import NotACaptureError, frames
from testbed.truth.ledger import Expected

Client = Callable[[], contextlib.AbstractContextManager[lane.Stream]]

KSNIFF = ("tcpdump", "-Z", "root", "-n", "-i", "eth0", "-U", "-w", "-", lane.FILTER)
SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Load:
    rate: int
    size: int

    def __str__(self) -> str:
        return f"{self.rate:,}/s x {self.size} B"


LOADS = (Load(100, 200), Load(5_000, 200), Load(20_000, 200), Load(20_000, 1_400))


@dataclass(frozen=True, slots=True)
class Run:
    missing: int
    sent: int
    p50: float
    p99: float
    cpu: float  # CPU seconds of the client while the packets flowed, per second
    rss: float
    far: dict[str, float]  # CPU seconds of the far side's programs, per second


def once(client: Client, far: FarSide, peer: str, load: Load) -> Run:
    count = int(load.rate * SECONDS)
    with client() as stream:
        if not lane.capturing(far):
            raise OSError("the capture did not start")
        before, far_before = stream.usage(), measure.by_name()
        sent = launch.send(launch.Flow("udp", peer, rate=load.rate, messages=count, size=load.size), far.inside())
        time.sleep(1.2)  # the slowest mode's block timer
        after, far_after = stream.usage(), measure.by_name()
    verdict = oracle.judge(stream.chunks, {1: Expected(sent=count)}).flows[1]
    delay = verdict.arrived_after
    return Run(
        verdict.missing,
        sent.sent,
        delay.p50 / 1e6 if delay else 0.0,
        delay.p99 / 1e6 if delay else 0.0,
        (after.cpu - before.cpu) / sent.seconds,
        after.rss,
        {name: (far_after[name] - far_before[name]) / sent.seconds for name in measure.REMOTE},
    )


def clients(cluster: Cluster, pod: str) -> dict[str, Client]:
    interface = f"k8s-pod-team.{pod}"
    return {
        "ours, upload": lambda: lane.ours(cluster, interface, "upload"),
        "ours, resident": lambda: lane.ours(cluster, interface, "resident"),
        "kubectl exec, WebSocket": lambda: lane.kubectl(cluster, "team", pod, KSNIFF),
        "kubectl exec, SPDY (ksniff)": lambda: lane.kubectl(cluster, "team", pod, KSNIFF, spdy=True),
    }


def compare(cluster: Cluster, pod: str, peer: str, runs: int) -> Table:
    far = FarSide(cluster, cluster.pod(pod))
    table = Table(
        f"Numbered UDP packets in pod {pod} until the reader has them ({SECONDS:.0f} s; medians, all {runs} runs in "
        "brackets)",
        ["load", "client", "missing", "p50 ms", "p99 ms", "client cores", "RSS MB", "far side's cores"],
    )
    for load in LOADS:
        for name, client in clients(cluster, pod).items():
            results = [once(client, far, peer, load) for _ in range(runs)]
            table.add(
                str(load),
                name,
                " ".join(f"{r.missing}" for r in results) + f" of {results[0].sent}",
                measure.shown([r.p50 for r in results], 1),
                measure.shown([r.p99 for r in results], 1),
                measure.shown([r.cpu for r in results], 3),
                measure.shown([r.rss for r in results], 0),
                ", ".join(f"{n} {measure.median([r.far[n] for r in results]):.2f}" for n in measure.REMOTE),
            )
    return table


def bulk(cluster: Cluster, pod: str, runs: int) -> Table:
    """The same byte stream through both clients: a resident tcpdump of 20,000/s x 1,400 B."""
    far = FarSide(cluster, cluster.pod(pod))
    peer = cluster.pod("idle-n2" if pod.endswith("n1") else "idle-n1").ip
    load = Load(20_000, 1_400)
    table = Table(
        f"CPU of the client as a multiple of `kubectl exec` on the same stream ({load}, stock `tcpdump -U -w -`)",
        ["client", "CPU ratio", "RSS ratio"],
    )
    pairs = []
    for _ in range(runs):
        theirs = once(lambda: lane.kubectl(cluster, "team", pod, KSNIFF), far, peer, load)
        for output in ("pcapng", "pcap"):
            mine = once(
                lambda output=output: lane.ours(cluster, f"k8s-pod-team.{pod}", "resident", output=output),  # type: ignore[misc]
                far,
                peer,
                load,
            )
            pairs.append((output, mine.cpu / theirs.cpu, mine.rss / theirs.rss))
    for output in ("pcapng", "pcap"):
        mine_ = [p for p in pairs if p[0] == output]
        table.add(f"ours, {output}", measure.shown([p[1] for p in mine_]), measure.shown([p[2] for p in mine_]))
    return table


def first_packet(cluster: Cluster, runs: int) -> Table:
    """Of a busy pod: 5 requests a second, 10 packets each."""
    table = Table(
        "Start of the client to its first packet, seconds (the pod sends 50 a second)",
        ["pod", "method", "seconds"],
    )
    for pod in ("tcpdump-n1", "tcpdump-n2", "client-n1", "client-n2"):
        methods = ("resident", "upload", "ephemeral") if pod.startswith("tcpdump") else ("upload", "ephemeral")
        for method in methods:
            times = []
            for _ in range(runs):
                with lane.ours(cluster, f"k8s-pod-team.{pod}", method, "") as stream:
                    times.append(_first(stream))
            table.add(pod, f"ours, {method}", measure.shown(times))
        if pod.startswith("tcpdump"):
            times = []
            command = ("tcpdump", "-Z", "root", "-n", "-i", "eth0", "-U", "-w", "-")
            for _ in range(runs):
                with lane.kubectl(cluster, "team", pod, command) as stream:
                    times.append(_first(stream))
            table.add(pod, "`kubectl exec … tcpdump -U -w -`", measure.shown(times))
    return table


def _first(stream: lane.Stream) -> float:
    """Seconds from the client's start to the arrival of the first packet's last byte."""
    deadline = time.monotonic() + lane.START
    while time.monotonic() < deadline:
        with contextlib.suppress(NotACaptureError):  # cut in the middle: more is to come
            for frame in frames(list(stream.chunks)):
                if frame.arrived_ns is not None:
                    return frame.arrived_ns / 1e9 - stream.clock
        time.sleep(0.01)
    raise OSError("no packet came")
