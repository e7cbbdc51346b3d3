"""Loss, delay, CPU and memory of the whole way: numbered packets in a pod -> reader of the FIFO, beside kubectl."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench import lane, measure
from bench.bed import Place
from bench.table import Table
from testbed.cluster.handle import Cluster
from testbed.truth import launch, oracle
from testbed.truth.files import Notes
from testbed.truth.ledger import Expected

Client = Callable[[], contextlib.AbstractContextManager[lane.Stream]]

SETTLE = 1.2  # seconds after the last load: the block timer of a stock tcpdump, and a little
BETWEEN = 0.2  # seconds between two loads; their packets are told apart by their flow


KUBECTL, SPDY = "`kubectl exec`, WebSocket", "`kubectl exec`, SPDY (ksniff)"


@dataclass(frozen=True, slots=True)
class Load:
    rate: int
    size: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.rate:,}/s"


SMALL = (Load(100, 200, 1.5), Load(5_000, 200, 1.0), Load(20_000, 200, 1.0))
# Where bytes cost most, and where packets do.
BULK = (Load(20_000, 1_400, 2.0), Load(50_000, 120, 2.0))


@dataclass(frozen=True, slots=True)
class Run:
    """Of one load through one client. `p50` and `p99` are milliseconds from the sending to the reader's read."""

    sent: int
    missing: int
    p50: float
    p99: float
    cpu: float  # cores of the client while the packets flowed
    rss: float
    far: Mapping[str, float]  # cores of the far side's programs


@dataclass(frozen=True, slots=True)
class Session:
    """One start of a client. `dropped` is what tcpdump says that it dropped, over all loads; None: it said nothing."""

    runs: tuple[Run, ...]
    dropped: int | None


def session(client: Client, place: Place, loads: Sequence[Load]) -> Session:
    lane.alone(place.far)
    gone: list[tuple[launch.Sent, float, float, dict[str, float]]] = []
    with client() as stream:
        lane.capturing(place.far)
        for number, load in enumerate(loads, 1):
            before, far_before = stream.usage(), measure.by_name()
            flow = launch.Flow("udp", place.peer, rate=load.rate, messages=int(load.rate * load.seconds),
                               size=load.size, number=number)  # fmt: skip
            sent = launch.send(flow, place.far.inside())
            time.sleep(SETTLE if number == len(loads) else BETWEEN)
            after, far_after = stream.usage(), measure.by_name()
            far = {name: (far_after[name] - far_before[name]) / sent.seconds for name in measure.REMOTE}
            gone.append((sent, (after.cpu - before.cpu) / sent.seconds, after.rss, far))
    notes = Notes()
    wanted = {number: Expected(sent=entry[0].sent) for number, entry in enumerate(gone, 1)}
    flows = oracle.judge(stream.chunks, wanted, notes=notes).flows
    runs = []
    for number, (sent, cpu, rss, far) in enumerate(gone, 1):
        delay = flows[number].arrived_after
        p50, p99 = (delay.p50 / 1e6, delay.p99 / 1e6) if delay else (0.0, 0.0)
        runs.append(Run(sent.sent, flows[number].missing, p50, p99, cpu, rss, far))
    return Session(tuple(runs), _dropped(stream.said, notes))


def _dropped(said: str, notes: Notes) -> int | None:
    """By tcpdump's last word, on stderr or in our file's statistics."""
    spoken = re.findall(r"(\d+) packets? dropped by kernel", said)
    told = [told.os_dropped for told in notes.told.values() if told.os_dropped is not None]
    return int(spoken[-1]) if spoken else sum(told) if told else None


def methods(cluster: Cluster, place: Place) -> dict[str, Client]:
    """Ours, and the peers' data paths."""

    def ours(method: str) -> Client:
        return lambda: lane.ours(cluster, place.pod, method)

    return {
        **{f"ours, {method}": ours(method) for method in ("upload", "resident", "ephemeral", "nsenter")},
        KUBECTL: lambda: lane.kubectl(cluster, place.pod),
        SPDY: lambda: lane.kubectl(cluster, place.pod, spdy=True),
    }


def rounds(clients: Mapping[str, Client], place: Place, loads: Sequence[Load], runs: int) -> dict[str, list[Session]]:
    """In turns, so that all clients see the same machine."""
    found: dict[str, list[Session]] = {name: [] for name in clients}
    for _ in range(runs):
        for name, client in clients.items():
            found[name].append(_twice(name, client, place, loads))
    return found


def _twice(name: str, client: Client, place: Place, loads: Sequence[Load]) -> Session:
    """A start that failed must not cost a quarter of an hour's figures."""
    try:
        return session(client, place, loads)
    except OSError as error:
        print(f"{name} on {place}, once more: {error}", flush=True)
        return session(client, place, loads)


def delays(cluster: Cluster, place: Place, runs: int) -> Table:
    """Delay and loss at three rates."""
    table = Table(
        f"Numbered packets of 200 bytes in a pod on {place} until the reader has them",
        ["client", "rate", "missing of sent (each run)", "p50 ms", "p99 ms"],
    )
    dropped = []
    clients = methods(cluster, place)
    del clients[SPDY]  # the same tcpdump, whose block timer is nearly all of the delay
    for name, sessions in rounds(clients, place, SMALL, runs).items():
        for number, load in enumerate(SMALL):
            each = [s.runs[number] for s in sessions]
            missing = " ".join(str(r.missing) for r in each)
            table.add(
                name,
                str(load),
                f"{missing} of {each[0].sent:,}",
                measure.shown([r.p50 for r in each], 1),
                measure.shown([r.p99 for r in each], 1),
            )
        dropped.append(f"{name} {' '.join('?' if s.dropped is None else str(s.dropped) for s in sessions)}")
    table.notes.append(f"Dropped, as tcpdump tells it over all rates, each run: {'; '.join(dropped)}.")
    return table


def bulk(cluster: Cluster, place: Place, runs: int) -> Table:
    """CPU and memory of the clients on the same packets, as multiples of kubectl's in the same round."""
    clients = methods(cluster, place)
    chosen = {name: clients[name] for name in (KUBECTL, SPDY, "ours, upload", "ours, resident")}
    table = Table(
        f"CPU and memory of the client as multiples of `kubectl exec`'s, packets in a pod on {place}",
        [
            "client",
            "load",
            "CPU ratio",
            "RSS ratio",
            "cores",
            "RSS MB",
            "missing of sent",
            "dropped",
            "far side's cores",
        ],
    )
    for load in BULK:
        # A session for each: what a block timer holds back must not be paid for by the next load.
        found = rounds(chosen, place, (load,), runs)
        base = [s.runs[0] for s in found[KUBECTL]]
        for name, sessions in found.items():
            each = [s.runs[0] for s in sessions]
            table.add(
                name,
                f"{load} x {load.size:,} B",
                measure.shown([r.cpu / b.cpu for r, b in zip(each, base, strict=True)]),
                measure.shown([r.rss / b.rss for r, b in zip(each, base, strict=True)]),
                measure.shown([r.cpu for r in each], 3),
                measure.shown([r.rss for r in each], 0),
                f"{' '.join(str(r.missing) for r in each)} of {each[0].sent:,}",
                " ".join("?" if s.dropped is None else str(s.dropped) for s in sessions),
                ", ".join(f"{n} {measure.median([r.far[n] for r in each]):.2f}" for n in measure.REMOTE),
            )
    return table
