"""The capture's file as it grows, over however many streams: its interfaces, the counts of each, the gaps.

A stream that goes on where another was cut goes on in the same interface if its packets are of the same kind. Where a
gap was stands beside the first packet behind it (a comment, which Wireshark shows), and in the statistics at the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from k8s_extcap.edge.fifo import Sink
from k8s_extcap.model.errors import StreamError
from k8s_extcap.model.plan import Plan, Target
from k8s_extcap.model.report import Counters, Tally
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.version import VERSION
from k8s_extcap.wire import blocks, pcap
from k8s_extcap.wire.pcap import Header

NOTHING = Tally()


@dataclass(slots=True)
class _Face:
    """One interface of the file, with the counts of its ended streams."""

    number: int
    name: str
    header: Header
    began: float
    sum: Tally = NOTHING
    gaps: list[str] = field(default_factory=list)


class Recording:
    """What one capture writes beside its packets. Nothing here waits."""

    def __init__(self, request: CaptureRequest, sink: Sink, counters: Counters) -> None:
        self._pcapng = request.output == "pcapng"
        self._request = request
        self._sink = sink
        self._counters = counters
        self._faces: list[_Face] = []  # in the file
        self._face: _Face | None = None  # of the stream that runs
        self._remark = ""  # for the next packet
        self._ended = NOTHING  # of all ended streams
        self._cut: tuple[float, str, int] | None = None  # a gap that has not ended: since when, why, missing packets
        self.gaps: list[str] = []

    def begin(self) -> None:
        """At once: dumpcap opens its sources one after the other, and one without a header would hold up all."""
        if self._pcapng:
            own = f"\n{self._request.comment}" if self._request.comment else ""
            self._sink.begin(blocks.section(f"k8s-extcap {VERSION}", self._request.target.spoken() + own))

    @property
    def flowing(self) -> bool:
        """Some stream was a capture: what was said of it is in the file."""
        return bool(self._faces)

    @property
    def broken(self) -> bool:
        """The stream was cut, and none has gone on yet."""
        return self._cut is not None

    def number(self, target: Target, nic: str, header: Header) -> int:
        """The interface of a stream with this header. StreamError where a pcap file cannot hold its packets too."""
        name, _ = describe(target, nic)
        found = next((f for f in self._faces if (f.name, f.header) == (name, header)), None)
        if found is None and self._faces and not self._pcapng and self._faces[-1].header != header:
            raise StreamError(
                f"The capture of {target.spoken()} cannot go on in a file of the format pcap: its packets are of "
                "another kind now. Start it again, or choose the format pcapng (--output)."
            )
        self._face = found or _Face(len(self._faces), name, header, time.time())
        if self._cut:
            self._interrupted(*self._cut)
            self._cut = None
        return self._face.number

    def declared(self, plan: Plan, nic: str, lines: list[str]) -> bytes:
        """What stands before the stream's first packet: its interface's description, unless it is there already."""
        face = self._face
        if face is None or face in self._faces or not self._pcapng:
            return b""
        _, where = describe(plan.target, nic)
        about = blocks.Interface(
            name=face.name,
            description=where,
            filter=self._request.filter,
            link_type=face.header.link_type,
            snaplen=face.header.snaplen,
            digits=face.header.digits,
            comment="\n".join((f"method {plan.method}", *lines)),
        )
        return blocks.interface(about)

    def first(self, data: bytes | memoryview) -> bytes | memoryview:
        """A stream's first bytes as they are to stand in the file: with the remark on the gap before them; in a pcap
        file, which has one header, without that of a second stream.
        """
        if not self._pcapng:
            return data[pcap.HEADER :] if self._faces else data
        if self._remark:
            data, self._remark = blocks.remarked(data, self._remark), ""
        return data

    def count(self, tally: Tally) -> None:
        """What the running stream has counted until now."""
        self._counters.sum = self._ended + tally

    def close(self, tally: Tally, *, written: bool) -> None:
        """The stream has ended. `written`: what stands before its packets is in the file."""
        self._ended += tally
        self._counters.sum = self._ended
        face, self._face = self._face, None
        if face is None or not written:
            return
        face.sum += tally
        if face not in self._faces:
            self._faces.append(face)

    def cut(self, since: float, why: str, missing: int) -> None:
        """The stream broke: what comes after `since` (epoch seconds) is not captured until another stream runs.
        `missing`: packets that tcpdump had counted and that did not arrive, at least.
        """
        since, why, missing = self._cut or (since, why, missing)  # of two cuts without a packet between them the first
        self._cut = since, why, missing

    def _interrupted(self, since: float, why: str, missing: int) -> None:
        """The gap ends: a new stream's tcpdump has begun."""
        now = time.time()
        known = f"at least {missing:,}" if missing > 0 else "unknown"
        span = f"from {_clock(since)} to {_clock(now)} UTC"
        sentence = f"The capture has a gap {span} ({now - since:.1f} s, packets missing: {known}): {why}."
        self._remark = "\n".join(s for s in (self._remark, sentence) if s)
        self.gaps.append(sentence)
        self._counters.gaps = len(self.gaps)
        if self._faces:
            self._faces[-1].gaps.append(sentence)

    def end(self) -> None:
        """The statistics of each interface, behind the last packet."""
        if not self._pcapng or self._sink.gone:
            return
        for face in self._faces:
            told = face.sum
            sums = blocks.Sums(told.packets, told.received, told.dropped, told.if_dropped)
            unread = (
                f"{told.unread:,} packets came and were not written: nobody read the capture for {told.stalled:.0f} s."
            )
            comment = "\n".join([*face.gaps, *([unread] if told.unread else [])])
            digits, now = face.header.digits, time.time()
            self._sink.put(blocks.statistics(face.number, face.began, now, sums, digits=digits, comment=comment))


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03}"


def describe(target: Target, nic: str) -> tuple[str, str]:
    """The interface's name and description in the file: what tells sources apart in Wireshark's columns."""
    if target.is_node:
        return f"{target.node} {nic}", f"node {target.node}, interface {nic}"
    name = f"{target.namespace}/{target.name}"
    inside = f"container {target.container}, " if target.container else ""
    node = f" on node {target.node}" if target.node else ""
    return f"{name} {nic}", f"{inside}pod {name}{node}, interface {nic}"
