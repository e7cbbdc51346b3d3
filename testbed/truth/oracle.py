"""`python -m testbed.truth.oracle FILE|- ...`: what a capture holds of the numbered packets that were sent.

Shares no code with the product. Exit status 0: complete and in order; 1: something is wrong; 2: usage.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from testbed.truth import mark
from testbed.truth.files import Chunk, Frame, NotACaptureError, Notes, frames
from testbed.truth.layers import Segment, segment
from testbed.truth.ledger import LATE_NS, Expected, Ledger, Verdict
from testbed.truth.stream import Message, Stream

_READ = 1 << 20  # a pipe gives 64 KiB at most; a file is read in few steps


class Report(NamedTuple):
    """The verdict on each flow, what else was in the file, and why it ended early, if it did."""

    flows: dict[int, Verdict]
    frames: int
    foreign: int  # frames without any of our messages: ARP, handshakes, acknowledgements, other people's
    repeated_segments: int  # TCP segments that told nothing new
    reordered_segments: int
    broken: str | None

    @property
    def clean(self) -> bool:
        return self.broken is None and bool(self.flows) and all(verdict.clean for verdict in self.flows.values())


def live(descriptor: int) -> Iterator[Chunk]:
    """What comes out of a pipe or FIFO until its end, each piece with the time at which it was read.

    Collect it with list() where the rate is high: looking into packets meanwhile would make the reader the brake.
    """
    while data := os.read(descriptor, _READ):
        yield Chunk(data, time.time_ns())


def stored(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as file:
        while data := file.read(_READ):
            yield Chunk(data)


class _Judge:
    def __init__(self, expected: Mapping[int, Expected], default: Expected, late_ns: int) -> None:
        self._expected, self._default, self._late_ns = expected, default, late_ns
        self.ledgers = {flow: Ledger(flow, wanted, late_ns) for flow, wanted in expected.items()}
        self.streams: dict[tuple[object, object], Stream] = {}
        self.frames = self.foreign = 0

    def _note(self, message: Message) -> None:
        flow = message.mark.flow
        if flow not in self.ledgers:
            self.ledgers[flow] = Ledger(flow, self._default, self._late_ns)
        self.ledgers[flow].note(*message)

    def frame(self, frame: Frame) -> None:
        self.frames += 1
        found = segment(frame.link, frame.data)
        if found is None:
            self.foreign += 1
        elif found.sequence is None:
            self._datagram(found, frame)
        else:
            self._stream(found, found.sequence, frame)

    def _datagram(self, found: Segment, frame: Frame) -> None:
        message = mark.read(found.payload)
        if message is None:
            self.foreign += 1
        else:
            self._note(Message(message, frame.time_ns, frame.arrived_ns))

    def _stream(self, found: Segment, sequence: int, frame: Frame) -> None:
        key = found.source, found.target
        if found.starts:
            self.streams[key] = Stream()
            self.streams[key].starts(sequence)
        if found.starts or not len(found.payload):
            self.foreign += 1
            return
        stream = self.streams.setdefault(key, Stream())
        for message in stream.feed(sequence, bytes(found.payload), frame.time_ns, frame.arrived_ns):
            self._note(message)

    def finish(self) -> None:
        for stream in self.streams.values():
            for message in stream.finish():
                self._note(message)


def judge(
    chunks: Iterable[Chunk],
    expected: Mapping[int, Expected] | None = None,
    *,
    default: Expected = Expected(),  # noqa: B008 - an immutable value
    late_ns: int = LATE_NS,
    notes: Notes | None = None,
) -> Report:
    """Read a capture to its end. `expected` by flow number; a flow that it does not name is judged by `default`.

    `notes` is filled with what a pcapng says of itself beside its packets.
    """
    judge_ = _Judge(expected or {}, default, late_ns)
    broken = None
    try:
        for frame in frames(chunks, notes):
            judge_.frame(frame)
    except NotACaptureError as error:
        broken = str(error)
    judge_.finish()
    return Report(
        {flow: ledger.verdict() for flow, ledger in sorted(judge_.ledgers.items())},
        judge_.frames,
        judge_.foreign,
        sum(stream.repeated for stream in judge_.streams.values()),
        sum(stream.reordered for stream in judge_.streams.values()),
        broken,
    )


def as_json(report: Report) -> str:
    return json.dumps({**report._asdict(), "flows": list(map(_plain, report.flows.values())), "clean": report.clean})


def _plain(verdict: Verdict) -> dict[str, object]:
    spreads = {"captured_after": verdict.captured_after, "arrived_after": verdict.arrived_after}
    return {**verdict._asdict(), **{name: spread and spread._asdict() for name, spread in spreads.items()}}


def _flow_count(text: str) -> tuple[int, Expected]:
    flow, _, count = text.partition("=")
    return int(flow), Expected(sent=int(count))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.truth.oracle", description=__doc__)
    parser.add_argument("file", help="pcap or pcapng; - reads standard input live")
    parser.add_argument("--sent", type=_flow_count, action="append", default=[], metavar="FLOW=COUNT")
    parser.add_argument("--joined", action="store_true", help="the capture began while the flows were running")
    parser.add_argument("--late", type=float, default=LATE_NS / 1e6, metavar="MS")
    chosen = parser.parse_args(arguments)
    chunks = list(live(sys.stdin.fileno())) if chosen.file == "-" else stored(Path(chosen.file))
    default = Expected(first=None if chosen.joined else 0)
    report = judge(chunks, dict(chosen.sent), default=default, late_ns=int(chosen.late * 1e6))
    print(as_json(report))
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
