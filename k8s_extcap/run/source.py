"""One stream of packets into the recording: an exec, its pump, its counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from k8s_extcap.edge.fifo import Sink
from k8s_extcap.kube.connect import Session
from k8s_extcap.model.plan import ExecSpec, Plan, Target
from k8s_extcap.model.report import Tally
from k8s_extcap.model.request import CaptureRequest, Limits
from k8s_extcap.run import owner
from k8s_extcap.run.pump import Pump
from k8s_extcap.run.recording import Recording
from k8s_extcap.run.stop import Stop
from k8s_extcap.run.stream import End, RemoteStream

COUNT = 0.5  # seconds between two looks at the counts


class Source:
    """Runs one plan's stream to its end, which `end`, `since` and `missing` describe afterwards."""

    def __init__(self, request: CaptureRequest, plan: Plan, sink: Sink, stop: Stop, recording: Recording) -> None:
        self._request = request
        self._plan = plan
        self._sink = sink
        self._stop = stop
        self._recording = recording
        self.end: End = "unknown"
        self.goes_on = False  # another stream may take its place
        self.since = 0.0  # epoch seconds of the last sign from the far side
        self.missing = 0  # packets that tcpdump counted and that did not come, at least

    async def run(self, session: Session, spec: ExecSpec, already: Tally) -> None:
        """`already` counts against the limits. What ends it unasked is raised."""
        recording, target = self._recording, self._plan.target
        lines = _metadata(self._request, session, target)
        pump = Pump(
            self._sink,
            _rest(self._request.limits, already),
            pcapng=self._request.output == "pcapng",
            interface=lambda header: recording.number(target, stream.nic, header),
            on_header=lambda _header: recording.declared(self._plan, stream.nic, lines),
            on_full=lambda: self._stop.request("the limit of packets or bytes was reached"),
            on_first=recording.first,
        )
        self._sink.on_drained = pump.resume
        stream = RemoteStream(session, spec, target, self._request, pump, self._stop)
        counting = asyncio.create_task(_count(recording, stream, pump))
        try:
            await stream.run()
        finally:
            counting.cancel()
            tally = _tally(stream, pump)
            self.end = stream.end
            self.since = stream.since
            self.missing = (tally.received or 0) - (tally.dropped or 0) - tally.packets - tally.unread
            if stream.end != "asked":  # its statistics are of some seconds before, or were never told
                tally = replace(tally, received=max(tally.received or 0, tally.packets + tally.unread))
            recording.close(tally, written=pump.released)


def _metadata(request: CaptureRequest, session: Session, target: Target) -> list[str]:
    """What goes into the file only when asked for, since files are passed on: who, where, labels."""
    lines = []
    if "who" in request.metadata:
        lines.append(f"captured by {owner.place()}")
    if "where" in request.metadata:
        lines.append(f"context {session.context}, server {session.server}")
    if "labels" in request.metadata and target.pod.metadata.labels:
        lines.append("labels " + ", ".join(f"{k}={v}" for k, v in sorted(target.pod.metadata.labels.items())))
    return lines


def _rest(limits: Limits, already: Tally) -> Limits:
    """What is left of the limits of packets and bytes; they are not yet reached."""
    packets = limits.packets - already.packets if limits.packets else 0
    octets = limits.bytes - already.bytes if limits.bytes else 0
    return replace(limits, packets=packets, bytes=octets)


def _tally(stream: RemoteStream, pump: Pump) -> Tally:
    told = stream.statistics
    counts = (*pump.written, told.received, told.dropped, told.if_dropped)
    return Tally(*counts, slowed=pump.slowed, stalled=pump.stalled, unread=pump.unread)


async def _count(recording: Recording, stream: RemoteStream, pump: Pump) -> None:
    while True:
        await asyncio.sleep(COUNT)
        recording.count(_tally(stream, pump))
