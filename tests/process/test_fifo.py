"""The sink on real FIFOs: order, back-pressure, a reader that comes late, stops, or goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.edge.fifo import PIPE_SIZE, Sink, open_fifo, open_output, standard_output
from k8s_extcap.model.errors import OutputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    return path


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def opened(path: Path) -> tuple[Sink, int]:
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return await open_fifo(str(path)), reader


def drain(fd: int) -> bytes:
    out = bytearray()
    with contextlib.suppress(BlockingIOError):
        while data := os.read(fd, 1 << 16):
            out += data
    return bytes(out)


def test_what_is_put_comes_out_in_order_though_the_pipe_is_full(fifo: Path) -> None:
    async def work() -> None:
        sink, reader = await opened(fifo)
        pieces = [bytes([n % 251]) * 70_000 for n in range(60)]  # 4 MB through a pipe of one
        for piece in pieces:
            sink.put(piece)
        assert sink.pending > 0
        got = bytearray()
        while len(got) < sum(map(len, pieces)):
            got += drain(reader)
            await asyncio.sleep(0)
        assert bytes(got) == b"".join(pieces)
        assert await sink.drained(1)
        assert sink.pending == 0
        sink.close()
        os.close(reader)

    run(work())


def test_it_waits_for_a_reader_that_comes_late(fifo: Path) -> None:
    async def work() -> None:
        got: list[bytes] = []
        reader = threading.Timer(0.3, lambda: got.append(fifo.read_bytes()))
        reader.start()
        sink = await open_fifo(str(fifo))
        sink.put(b"hello")
        sink.close()
        await asyncio.to_thread(reader.join)
        assert got == [b"hello"]

    run(work())


@pytest.mark.parametrize("idle", [True, False])
def test_a_reader_that_goes_is_noticed_also_on_an_idle_stream(fifo: Path, idle: bool) -> None:
    async def work() -> None:
        sink, reader = await opened(fifo)
        calls: list[str] = []
        event = asyncio.Event()

        def gone() -> None:
            calls.append("gone")
            event.set()

        sink.on_gone = gone
        if not idle:
            sink.put(b"x" * (3 * PIPE_SIZE))
        os.close(reader)
        async with asyncio.timeout(5):
            await event.wait()
        sink.put(b"more")
        assert calls == ["gone"]
        assert sink.pending == 0
        assert sink.failure is None  # a closed reader is the host's way to stop, no error
        sink.close()

    run(work())


def test_a_full_disk_is_an_error_with_a_sentence() -> None:
    async def work() -> None:
        sink = await open_fifo("/dev/full")
        sink.put(b"data")
        assert sink.failure is not None
        assert "No space left" in sink.failure.sentence
        sink.close()

    run(work())


def test_a_disk_that_fills_in_the_middle_of_a_file_is_the_same_error(tmp_path: Path) -> None:
    """A limit of the file's size acts as a disk does: a part is taken, the next write fails."""
    code = (
        "import asyncio, resource, sys\n"
        "from k8s_extcap.edge.fifo import open_output\n"
        "async def work():\n"
        "    sink = await open_output(sys.argv[1])\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    sink.put(b'x' * 1500)\n"
        "    print(sink.gone, sink.pending, sink.failure.sentence)\n"
        "asyncio.run(work())\n"
    )
    file = tmp_path / "full.pcapng"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("True 0 The capture could not be written to ")
    assert file.stat().st_size == 1000


def test_a_standard_output_is_given_back_as_it_was() -> None:
    async def work() -> None:
        reader, writer = os.pipe()
        saved = os.dup(1)
        os.dup2(writer, 1)
        try:
            sink = standard_output()
            assert not os.get_blocking(writer)
            sink.put(b"abc")
            sink.close()
            assert os.get_blocking(writer)
        finally:
            os.dup2(saved, 1)
            for handle in (saved, reader, writer):
                os.close(handle)

    run(work())


def test_drained_gives_up_on_a_reader_that_sleeps(fifo: Path) -> None:
    async def work() -> None:
        sink, reader = await opened(fifo)
        sink.put(b"x" * (3 * PIPE_SIZE))
        assert not await sink.drained(0.05)
        sink.close()
        os.close(reader)

    run(work())


def test_drained_waits_for_a_reader_that_is_slow(fifo: Path) -> None:
    async def work() -> None:
        sink, reader = await opened(fifo)
        size = PIPE_SIZE + 900_000
        sink.put(b"x" * size)
        got = 0

        async def slowly() -> None:
            nonlocal got
            while got < size:
                with contextlib.suppress(BlockingIOError):
                    got += len(os.read(reader, 1 << 16))
                await asyncio.sleep(0.07)

        reading = asyncio.create_task(slowly())
        assert await sink.drained(1)  # it takes two seconds
        await reading
        assert got == size
        sink.close()
        os.close(reader)

    run(work())


def test_a_new_file_is_private(tmp_path: Path) -> None:
    async def work() -> None:
        file = tmp_path / "new.pcapng"
        sink = await open_output(str(file))
        sink.put(b"abc")
        sink.close()
        assert file.read_bytes() == b"abc"
        assert file.stat().st_mode & 0o777 == 0o600

    run(work())


def test_an_existing_file_is_emptied_by_the_first_packet_and_not_before(tmp_path: Path) -> None:
    async def work() -> None:
        file = tmp_path / "kept.pcapng"
        file.write_bytes(b"what was captured yesterday")
        sink = await open_output(str(file))
        sink.begin(b"head")
        assert file.read_bytes() == b"what was captured yesterday"
        sink.put(b"packet")
        sink.put(b"another")
        sink.close()
        assert file.read_bytes() == b"headpacketanother"

    run(work())


def test_a_capture_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    async def work() -> None:
        kept, made, replaced = (tmp_path / name for name in ("kept", "made", "replaced"))
        kept.write_bytes(b"yesterday")
        for file in (kept, made, replaced):
            sink = await open_output(str(file))
            sink.begin(b"head")
            if file is replaced:
                file.unlink()
                file.write_bytes(b"another program's")
            sink.close()
        assert kept.read_bytes() == b"yesterday"
        assert not made.exists()
        assert replaced.read_bytes() == b"another program's"

    run(work())


def test_a_fifo_gets_its_beginning_at_once(fifo: Path) -> None:
    async def work() -> None:
        sink, reader = await opened(fifo)
        sink.begin(b"head")
        assert drain(reader) == b"head"
        sink.close()
        os.close(reader)

    run(work())


def test_a_fifo_that_is_gone_is_an_error_and_no_file(tmp_path: Path) -> None:
    gone = tmp_path / "fifo"
    with pytest.raises(OutputError, match="is gone"):
        run_open(gone)
    assert not gone.exists()


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    async def work() -> None:
        await open_output(str(tmp_path / "no" / "folder"))

    with pytest.raises(OutputError, match="No such file"):
        run(work())


def run_open(path: Path) -> None:
    async def work() -> None:
        await open_fifo(str(path))

    run(work())
