"""The pump between a stream and a real FIFO: back-pressure, the rate ceiling, limits, and the held header."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.edge.fifo import PIPE_SIZE, Sink, open_fifo
from k8s_extcap.model.request import Limits
from k8s_extcap.run.pump import HOLD, KEPT, Pump

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
RECORD = struct.pack("<IIII", 1, 2, 1000, 1000) + b"x" * 1000


class Valve:
    """Notes what an exec stream would be told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


class Bench:
    def __init__(self, sink: Sink, reader: int, limits: Limits) -> None:
        self.sink, self.reader, self.valve, self.full = sink, reader, Valve(), 0
        self.pump = Pump(sink, limits, pcapng=False, interface=0, on_header=lambda _header: b"<", on_full=self._on_full)
        self.pump.valve = self.valve
        sink.on_drained = self.pump.resume

    def _on_full(self) -> None:
        self.full += 1

    def take(self, data: bytes) -> None:
        self.pump.take(memoryview(data))

    def read(self) -> bytes:
        out = bytearray()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 20):
                out += data
        return bytes(out)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


async def bench(fifo: Path, limits: Limits) -> Bench:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    return Bench(await open_fifo(str(fifo)), reader, limits)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_full_pipe_pauses_the_source_and_a_read_resumes_it(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(rate=0))
        b.take(HEADER + RECORD)
        assert b.valve.calls == []
        count = 3 * PIPE_SIZE // len(RECORD)
        b.take(RECORD * count)
        assert b.valve.calls == ["pause"]
        total = 1 + len(HEADER) + len(RECORD) * (count + 1)
        got = 0
        while got < total:
            got += len(b.read())
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert b.valve.calls == ["pause", "resume"]
        assert got == total
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_a_reader_that_stands_still_gets_little_and_what_is_left_out_is_counted(fifo: Path) -> None:
    """A little is read on all the same, for the signs of life; memory has a bound, and packets stay whole."""

    async def work() -> None:
        b = await bench(fifo, Limits(rate=0))
        b.take(HEADER + RECORD)
        per_read = 200
        async with asyncio.timeout(60):
            b.take(RECORD * (2 * PIPE_SIZE // len(RECORD)))
            while b.valve.calls != ["pause", "resume"]:  # nobody reads: it comes from the clock
                await asyncio.sleep(0.05)
        reads = 0
        while b.pump.unread < 5 * per_read:
            b.take(RECORD * per_read)
            reads += 1
        assert b.sink.pending < KEPT + per_read * len(RECORD)
        written, octets = b.pump.written
        assert written + b.pump.unread == 1 + 2 * PIPE_SIZE // len(RECORD) + reads * per_read
        got = b""
        while b.sink.pending or (piece := b.read()):
            got += b.read() if b.sink.pending else piece
            await asyncio.sleep(0)
        b.take(RECORD)
        got += b.read()
        assert got == b"<" + HEADER + RECORD * (written + 1)
        assert octets == 1000 * written
        b.pump.close()
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_the_rate_ceiling_pauses_for_as_long_as_it_takes(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(rate=100_000))
        b.take(HEADER + RECORD)
        b.take(RECORD * 110)  # 112 kB: a second's worth at once, and a tenth of one to wait for
        assert b.valve.calls == ["pause"]
        b.read()
        async with asyncio.timeout(5):
            while "resume" not in b.valve.calls:
                await asyncio.sleep(0.01)
        slowed = b.pump.slowed
        assert slowed > 0.05
        await asyncio.sleep(0.02)
        assert b.pump.slowed == slowed
        assert b.pump.stalled == 0
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_the_ceiling_is_told_once(fifo: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(rate=100_000))
        b.take(HEADER)
        for _ in range(3):
            b.take(RECORD * 105)
            b.read()
            async with asyncio.timeout(5):
                while b.valve.calls[-1] != "resume":
                    await asyncio.sleep(0.01)
        b.pump.close()
        b.sink.close()
        os.close(b.reader)

    run(work())
    assert [r.getMessage() for r in caplog.records if "ceiling" in r.getMessage()] == [
        "the rate ceiling of 100000 bytes a second holds the stream back"
    ]


def test_a_reader_that_stands_still_is_timed_and_what_waits_is_bounded(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(rate=0))
        b.take(HEADER)
        while "pause" not in b.valve.calls:  # as an exec stream would bring it
            b.take(RECORD * 100)
        waiting = b.sink.pending
        assert 0 < waiting <= 100 * len(RECORD)
        await asyncio.sleep(0.2)
        assert (b.sink.pending, b.valve.calls) == (waiting, ["pause"])
        assert b.pump.stalled >= 0.2
        assert b.pump.slowed == 0
        while b.sink.pending:
            b.read()
            await asyncio.sleep(0)
        stalled = b.pump.stalled
        b.take(RECORD)
        assert b.valve.calls == ["pause", "resume"]
        assert b.pump.stalled == stalled
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_the_end_lifts_the_ceiling(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(rate=1000))
        b.take(HEADER + RECORD * 200)
        assert b.valve.calls == ["pause"]
        b.pump.free()
        assert b.valve.calls[-1] == "resume"
        b.take(RECORD * 200)
        assert b.valve.calls[-1] == "resume"
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_a_limit_is_told_once_and_nothing_follows(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits(packets=3, rate=0))
        b.take(HEADER + RECORD * 2)
        b.take(RECORD * 5)
        b.take(RECORD * 5)
        assert b.full == 1
        assert b.read() == b"<" + HEADER + RECORD * 3
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_a_header_without_packets_is_held_then_written(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits())
        b.take(HEADER)
        assert b.read() == b""
        await asyncio.sleep(HOLD + 0.2)
        assert b.read() == b"<" + HEADER
        assert b.pump.released
        b.sink.close()
        os.close(b.reader)

    run(work())


def test_a_header_of_a_tcpdump_that_fails_is_never_written(fifo: Path) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits())
        b.take(HEADER)
        b.pump.finish()
        b.pump.close()
        await asyncio.sleep(HOLD + 0.2)
        assert b.read() == b""
        assert not b.pump.released
        b.sink.close()
        os.close(b.reader)

    run(work())


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 500, len(RECORD) - 1])
def test_only_whole_records_are_written(fifo: Path, cut: int) -> None:
    async def work() -> None:
        b = await bench(fifo, Limits())
        b.take(HEADER + RECORD + RECORD[:cut])
        assert b.read() == b"<" + HEADER + RECORD
        b.take(RECORD[cut:])
        assert b.read() == RECORD
        b.sink.close()
        os.close(b.reader)

    run(work())
