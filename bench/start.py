"""From the start of a client to its first packet, beside the peers."""

from __future__ import annotations

import contextlib
import time

from bench import lane, measure
from bench.bed import Place
from bench.stream import Client
from bench.table import Table
from testbed.cluster.handle import Cluster
from testbed.truth import launch
from testbed.truth.files import NotACaptureError, frames

RATE = 50  # packets a second that the pod sends: a capture that runs sees one within 20 ms


def first_packet(cluster: Cluster, places: tuple[Place, ...], runs: int) -> Table:
    table = Table(
        f"Start of the client to its first packet, seconds (the pod sends {RATE} a second)",
        ["pod on", "client", "seconds"],
    )
    for place in places:
        flow = launch.Flow("udp", place.peer, rate=RATE, messages=0)
        sender = launch.Running(flow, place.far.inside())
        try:
            times: dict[str, list[float]] = {}
            for _ in range(runs):
                for name, client in _clients(cluster, place).items():
                    try:
                        lane.alone(place.far)
                        with client() as stream:
                            times.setdefault(name, []).append(_first(stream))
                    except OSError as error:
                        table.notes.append(f"{place}, {name}: {error}.")
        finally:
            sender.stop()
        for name, each in times.items():
            table.add(str(place), name, measure.shown(each))
    return table


def _clients(cluster: Cluster, place: Place) -> dict[str, Client]:
    def ours(method: str) -> Client:
        return lambda: lane.ours(cluster, place.pod, method)

    return {
        "ours, resident": ours("resident"),
        "`kubectl exec … tcpdump -U -w -`": lambda: lane.kubectl(cluster, place.pod),
        "ours, upload": ours("upload"),
        "ours, ephemeral": ours("ephemeral"),
        "`kubectl debug … tcpdump -U -w -`": lambda: lane.debug(cluster, place.pod),
        "ours, nsenter": ours("nsenter"),
    }


def _first(stream: lane.Stream) -> float:
    """Seconds from the client's start to the arrival of the first packet's last byte."""
    deadline = time.monotonic() + lane.START
    while time.monotonic() < deadline:
        with contextlib.suppress(NotACaptureError):  # cut in the middle: more is to come
            for frame in frames(list(stream.chunks)):
                if frame.arrived_ns is not None:
                    return frame.arrived_ns / 1e9 - stream.clock
        time.sleep(0.005)
    raise OSError(f"no packet came within {lane.START:.0f} s")
