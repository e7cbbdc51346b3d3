"""Inputs without end for a parser: kept ones, changed at random; what reaches a new line of the product is built on.

A run is repeatable: its random numbers follow from the parser's name and a seed. A law is broken by any exception that
the parser's `check` lets through, by `CPU_LIMIT` seconds of CPU for one input, and by `MEMORY_LIMIT` more of memory.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

PRODUCT = str(Path(__file__).parents[2] / "k8s_extcap")
LONGEST = 256 * 1024  # bytes of an input: more than any of these parsers looks at
CPU_LIMIT = 10.0  # seconds of CPU, so that a busy machine breaks no law; a usual input takes some microseconds
MEMORY_LIMIT = 64 * 1024  # KiB by which one input may raise the process's peak
POOL = 4000  # inputs that are built on, beside the kept ones


class HangError(Exception):
    """One input took longer than any may."""


@dataclass(frozen=True)
class Parser:
    """`check` takes any bytes and returns, or raises because a law is broken. `words` are what its language is made
    of. `share` tells how many inputs it gets beside others, for some are a thousand times slower.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    share: float = 1.0


@dataclass
class Tally:
    """What one run did. `broken`: for each kind of exception and its place a short input, and what it broke."""

    parser: str
    inputs: int = 0
    lines: int = 0
    seconds: float = 0.0
    reached: list[bytes] = field(default_factory=list)
    broken: dict[str, tuple[bytes, BaseException]] = field(default_factory=dict)


_NUMBERS = (0, 1, 2, 3, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x40000, 0x40001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
_NASTY = (
    b"\0", b"\n", b"\r\n", b"\t", b" ", b"\x1b[2J", b"\x1b]0;owned\x07", b"\xc2\x9b31m", b"\xe2\x80\xae", b"\xff\xfe",
    b"\xed\xa0\x80", b"\xf0\x9d\x84\x9e", b"\xd9\xa3", b"\xc2\xb2", b"\xef\xbc\x91", b"$(id)", b"`id`", b"'", b'"',
    b"\\",
    b";", b"|", b"&", b">", b"<", b"*", b"-", b"--", b"{", b"}", b"[", b"]", b"%", b"%s%n", b"=", b":", b"/", b"../",
    b"true", b"null", b"1e999", b"-1", b"0x", b"9" * 25, b"9" * 5000, b"[" * 2000, b'{"a":' * 2000,
)  # fmt: skip


class Maker:
    """Makes inputs of one parser."""

    def __init__(self, parser: Parser, kept: list[bytes], seed: int) -> None:
        self._random = random.Random(f"{parser.name}/{seed}")
        self._words = (*parser.words, *_NASTY)
        self._moves = (
            self._insert, self._insert, self._insert, self._overwrite, self._flip, self._drop, self._drop, self._repeat,
            self._splice, self._number, self._cut, self._swap,
        )  # fmt: skip
        self.pool = [*kept, *parser.seeds] or [b""]

    def make(self) -> bytes:
        data = bytearray(self._random.choice(self.pool))
        for _ in range(1 + int(self._random.expovariate(0.7))):
            self._random.choice(self._moves)(data)
        return bytes(data[:LONGEST])

    def keep(self, data: bytes) -> None:
        self.pool.append(data)
        if len(self.pool) > POOL:
            del self.pool[self._random.randrange(len(self.pool))]

    def _at(self, data: bytearray) -> int:
        return self._random.randint(0, len(data))

    def _span(self, data: bytearray) -> tuple[int, int]:
        start = self._at(data)
        return start, min(len(data), start + int(self._random.expovariate(0.1)))

    def _insert(self, data: bytearray) -> None:
        at = self._at(data)
        piece = self._random.choice(self._words) if self._random.random() < 0.8 else self._random.randbytes(3)
        data[at:at] = piece

    def _overwrite(self, data: bytearray) -> None:
        at, word = self._at(data), self._random.choice(self._words)
        data[at : at + len(word)] = word

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _drop(self, data: bytearray) -> None:
        start, end = self._span(data)
        del data[start:end]

    def _repeat(self, data: bytearray) -> None:
        start, end = self._span(data)
        longest = 65536 if self._random.random() < 0.02 else 300
        times = min(self._random.choice((2, 3, 10, 100, 5000)), longest // (end - start + 1))
        data[start:start] = data[start:end] * times

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self.pool)
        at, start = self._at(data), self._random.randint(0, len(other))
        data[at:] = other[start:]

    def _number(self, data: bytearray) -> None:
        at = self._at(data)
        value = self._random.choice(_NUMBERS)
        data[at : at + 4] = value.to_bytes(4, self._random.choice(("little", "big")))

    def _cut(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def _swap(self, data: bytearray) -> None:
        start, end = self._span(data)
        piece = data[start:end]
        del data[start:end]
        at = self._at(data)
        data[at:at] = piece


class _Lines:
    """Which lines of the product were reached, by a trace function; ten times as slow as without."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.fresh = False

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        return self._line if frame.f_code.co_filename.startswith(PRODUCT) else None

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        if event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            if place not in self.seen:
                self.seen.add(place)
                self.fresh = True
        return self._line

    @contextmanager
    def watched(self) -> Iterator[None]:
        self.fresh = False
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise HangError(f"more than {CPU_LIMIT:.0f} s of CPU")


def one(parser: Parser, data: bytes) -> None:
    """One input under the limits."""
    before = signal.signal(signal.SIGVTALRM, _hang)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_LIMIT)
    try:
        parser.check(data)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert more < MEMORY_LIMIT, f"{more // 1024} MiB of memory for an input of {len(data)} bytes"


def signature(error: BaseException) -> str:
    """What tells one broken law from another: the exception and where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.filename}:{last.lineno}"


def shortened(parser: Parser, data: bytes, error: BaseException) -> tuple[bytes, BaseException]:
    """A shorter input that breaks the same law, by leaving out parts of it; and what it breaks."""
    kind, size = signature(error), len(data) // 2
    tries = 0
    while size and tries < 400 and not isinstance(error, HangError):
        at = 0
        while at < len(data) and tries < 400:
            tries += 1
            less = data[:at] + data[at + size :]
            try:
                one(parser, less)
            except Exception as again:
                if signature(again) == kind:
                    data, error = less, again
                    continue
            at += size
        size //= 2
    return data, error


def attack(
    parser: Parser, kept: list[bytes], *, count: int = 0, seconds: float = 0.0, seed: int = 0, guided: bool = False
) -> Tally:
    """The kept inputs and then `count` new ones, or as many as the seconds allow. `guided`: what reaches new lines is
    built on, and reported.
    """
    tally, maker, lines = Tally(parser.name), Maker(parser, kept, seed), _Lines()
    began = time.monotonic()
    first = iter([*kept, *parser.seeds])
    while True:
        data = next(first, None)
        if data is None:
            if tally.inputs >= len(kept) + len(parser.seeds) + count and time.monotonic() - began >= seconds:
                break
            data = maker.make()
        tally.inputs += 1
        try:
            if guided and tally.inputs % 4 == 0:  # the trace costs: three of four go without it
                with lines.watched():
                    one(parser, data)
                if lines.fresh:
                    maker.keep(data)
                    tally.reached.append(data)
            else:
                one(parser, data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            kind = signature(error)
            if kind not in tally.broken:
                tally.broken[kind] = shortened(parser, data, error)
    tally.lines, tally.seconds = len(lines.seen), time.monotonic() - began
    return tally
