"""The host's FIFO, and files: where the capture goes. Whole pieces in order, never a block on the event loop.

sink = await open_fifo(path)     sink.put(data)     sink.pending     await sink.drained()     sink.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Callable

from k8s_extcap.model.errors import OutputError

PIPE_SIZE = 1 << 20  # bytes: Linux' limit for ordinary users; 64 KiB cost a third of the throughput
RETRY = 0.005  # seconds between tries to open: the host's reader comes 10-20 ms after us
PATIENCE = 30.0  # seconds; Windows waits as long for us, no host takes longer


class Sink:
    """An open output. `on_gone` is called once when the reader has left; what comes after that is dropped.

    Back-pressure is the caller's: while `pending` is not 0 it should stop reading its source.
    """

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self._name = name
        self._queue = bytearray()
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._writing = False
        self.gone = False
        self.used = False  # something was put
        self.failure: OutputError | None = None
        self.on_gone: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self._pollable = not stat.S_ISREG(os.fstat(fd).st_mode)
        self._blocking = os.get_blocking(fd)
        if self._pollable:
            os.set_blocking(fd, False)
            # Nothing ever comes to read here: the event is the error that the last reader's close is (POLLERR).
            # A terminal or /dev/null as standard output may be refused by epoll; there is no reader to lose then.
            with contextlib.suppress(OSError):
                self._loop.add_reader(fd, self._lost)

    @property
    def pending(self) -> int:
        return len(self._queue)

    def put(self, data: bytes | memoryview) -> None:
        """Writes now what can be written, keeps the rest in order."""
        if self.gone or not len(data):
            return
        self.used = True
        if not self._queue:
            written = self._write(data)
            while written < len(data) and not self._pollable:  # a disk that is nearly full takes a part, then says why
                written += self._write(data[written:])
            if written == len(data):
                return
            data = data[written:]
        self._queue += data
        if not self._writing and not self.gone:
            self._writing = True
            self._loop.add_writer(self._fd, self._flush)

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                self.failure = OutputError(
                    f"The capture could not be written to {self._name}: {error.strerror}. "
                    "Make room, or name another file."
                )
            self._lost()
            return len(data)  # whatever is left is dropped

    def _flush(self) -> None:
        while self._queue:
            written = self._write(memoryview(bytes(self._queue[:PIPE_SIZE])))
            if not written:
                break
            del self._queue[:written]
        if not self._queue:
            self._stop_writing()
            self.on_drained()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def _lost(self) -> None:
        if self.gone:
            return
        self.gone = True
        self._queue.clear()
        with contextlib.suppress(OSError, ValueError):
            self._loop.remove_reader(self._fd)
        self._stop_writing()
        self.on_drained()
        self.on_gone()

    async def drained(self, timeout: float) -> bool:
        """Waits until nothing is pending; False if that took too long."""
        if not self._queue:
            return True
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        if self._fd < 0:
            return
        self._stop_writing()
        with contextlib.suppress(OSError, ValueError):
            self._loop.remove_reader(self._fd)
        if self._blocking and self._pollable:
            os.set_blocking(self._fd, True)  # of a standard output it is a state that other programs share
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1


async def open_fifo(path: str) -> Sink:
    """The host's FIFO, opened for writing; waits for its reader. A regular file is created or emptied (0600).

    Always do this, also before failing: 4.0 waits for ever for a writer that never came.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_CREAT | os.O_TRUNC, 0o600)
            break
        except OSError as error:
            # ENXIO: a FIFO without a reader yet.
            if error.errno != errno.ENXIO or asyncio.get_running_loop().time() > deadline:
                raise OutputError(
                    f"The capture's output {path} cannot be opened: {error.strerror}. Check that its folder is there "
                    "and may be written to."
                ) from error
        await asyncio.sleep(RETRY)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a file has no pipe buffer; a user may be over the system's pipe pages
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return Sink(fd, path)


def standard_output() -> Sink:
    return Sink(os.dup(1), "standard output")
