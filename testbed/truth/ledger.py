"""What was seen of one flow, and the verdict over it."""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from testbed.truth.mark import Mark

LATE_NS = 1_000_000_000  # stock tcpdump's own delay; whoever promises less says so
_MOST_RANGES = 20  # enough to see a pattern, few enough to print


class Expected(NamedTuple):
    """The numbers that a capture should hold: from `first` (None: from the lowest seen) up to `sent` exclusive."""

    first: int | None = 0
    sent: int | None = None  # None: up to the highest seen


class Spread(NamedTuple):
    """Percentiles of a delay in nanoseconds, by nearest rank."""

    p50: int
    p99: int
    worst: int


class Verdict(NamedTuple):
    """The truth about one flow.

    `missing` are numbers of which no intact copy is there; a damaged message cannot be trusted to know its own
    number, so it is `damaged` and its number `missing`. `truncated` ones (by a snap length) are there.
    `duplicate` counts second and later copies, `reordered` messages behind a higher number, `late` those whose
    delay (arrival if the stream was read live, else the capture's time stamp) is above the limit.
    """

    flow: int
    expected: int
    missing: int
    duplicate: int
    reordered: int
    damaged: int
    truncated: int
    late: int
    captured_after: Spread | None  # the capture's time stamp against the time of sending
    arrived_after: Spread | None  # the reader's clock against the time of sending; None for a file
    missing_ranges: tuple[tuple[int, int], ...]  # the first 20, both ends inclusive
    reordered_numbers: tuple[int, ...]  # the first 20
    duplicate_numbers: tuple[int, ...]  # the first 20

    @property
    def clean(self) -> bool:
        return not (self.missing or self.duplicate or self.reordered or self.damaged or self.truncated or self.late)


def _spread(delays: Sequence[int]) -> Spread | None:
    if not delays:
        return None
    ordered = sorted(delays)
    last = len(ordered) - 1
    return Spread(ordered[last // 2], ordered[min(last, len(ordered) * 99 // 100)], ordered[last])


def _ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        elif len(found) == _MOST_RANGES:
            break
        else:
            found.append((number, number))
    return tuple(found)


class Ledger:
    """Takes the messages of one flow in the order of the capture."""

    def __init__(self, flow: int, expected: Expected, late_ns: int) -> None:
        self._flow, self._expected, self._late_ns = flow, expected, late_ns
        self._seen: set[int] = set()
        self._highest = -1
        self._captured, self._arrived = array("q"), array("q")
        self._reordered: list[int] = []
        self._duplicates: list[int] = []
        self._damaged = self._truncated = self._late = 0

    def note(self, mark: Mark, time_ns: int, arrived_ns: int | None) -> None:
        limit = self._expected.sent
        if mark.intact is False or (limit is not None and mark.sequence >= limit):
            self._damaged += 1
            return
        self._truncated += mark.intact is None
        if mark.sequence in self._seen:
            self._duplicates.append(mark.sequence)
            return
        self._seen.add(mark.sequence)
        if mark.sequence < self._highest:
            self._reordered.append(mark.sequence)
        self._highest = max(self._highest, mark.sequence)
        self._captured.append(time_ns - mark.sent_ns)
        if arrived_ns is not None:
            self._arrived.append(arrived_ns - mark.sent_ns)
        self._late += (time_ns if arrived_ns is None else arrived_ns) - mark.sent_ns > self._late_ns

    def verdict(self) -> Verdict:
        first, sent = self._expected
        low = first if first is not None else min(self._seen, default=0)
        high = sent if sent is not None else self._highest + 1
        missing = [number for number in range(low, high) if number not in self._seen]
        return Verdict(
            self._flow,
            max(0, high - low),
            len(missing),
            len(self._duplicates),
            len(self._reordered),
            self._damaged,
            self._truncated,
            self._late,
            _spread(self._captured),
            _spread(self._arrived),
            _ranges(missing),
            tuple(self._reordered[:_MOST_RANGES]),
            tuple(self._duplicates[:_MOST_RANGES]),
        )
