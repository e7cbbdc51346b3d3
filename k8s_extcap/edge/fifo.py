"""The host's FIFO, and files: where the capture goes. Whole pieces in order, never a block on the event loop.

sink = await open_fifo(path) or open_output(path)
sink.begin(header)     sink.put(data)     sink.pending     await sink.drained()     sink.close()
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from k8s_extcap.model.errors import OutputError

PIPE_SIZE = 1 << 20  # bytes: Linux' limit for ordinary users; 64 KiB cost a third of the throughput
RETRY = 0.005  # seconds between tries to open: the host's reader comes 10-20 ms after us
PATIENCE = 30.0  # seconds; Windows waits as long for us, no host takes longer
SLOW = 5  # a reader that takes what is there, but slowly, may take that many times as long at the end
# Windows opens without either; there the host's end is a named pipe.
_NONBLOCK, _CLOEXEC = getattr(os, "O_NONBLOCK", 0), getattr(os, "O_CLOEXEC", 0)


class Sink:
    """An open output. `on_gone` is called once when the reader has left; what comes after that is dropped.

    Back-pressure is the caller's: while `pending` is not 0 it should stop reading its source.

    A regular file keeps what it holds until the first `put`; one that is `new` and was never put into is removed.
    """

    def __init__(self, fd: int, name: str, *, new: bool = False) -> None:
        self._fd = fd
        self._name = name
        self._new = new
        self._head: bytes | None = None  # what a file shall begin with, while it is as it was
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
        self._untouched = not self._pollable
        self._blocking = sys.platform != "win32" and os.get_blocking(fd)
        if self._pollable and sys.platform != "win32":
            os.set_blocking(fd, False)
            # Nothing ever comes to read here: the event is the error that the last reader's close is (POLLERR).
            # A terminal or /dev/null as standard output may be refused by epoll; there is no reader to lose then.
            with contextlib.suppress(OSError):
                self._loop.add_reader(fd, self._lost)

    @property
    def pending(self) -> int:
        return len(self._queue)

    def begin(self, data: bytes) -> None:
        """What stands before all else. A FIFO's reader gets it at once, as hosts wait for it; a file that exists is not
        emptied for it, since nothing is known yet of the packets.
        """
        if self._untouched:
            self._head = data
            self.used = True
        else:
            self.put(data)

    def put(self, data: bytes | memoryview) -> None:
        """Writes now what can be written, keeps the rest in order."""
        if self.gone or not len(data):
            return
        self.used = True
        if self._untouched:
            self._untouched = False
            os.ftruncate(self._fd, 0)
            self.put(self._head or b"")
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
            with memoryview(self._queue) as view, view[:PIPE_SIZE] as piece:
                written = self._write(piece)
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
        """Waits until nothing is pending; False if for so long nothing was taken, or not all in `SLOW` times that."""
        deadline = self._loop.time() + SLOW * timeout
        while self._queue:
            before = len(self._queue)
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(future)
            try:
                async with asyncio.timeout(timeout):
                    await future
            except TimeoutError:
                if len(self._queue) == before or self._loop.time() > deadline:
                    return False
        return True

    def close(self) -> None:
        if self._fd < 0:
            return
        self._stop_writing()
        with contextlib.suppress(OSError, ValueError):
            self._loop.remove_reader(self._fd)
        if self._blocking and self._pollable and sys.platform != "win32":
            os.set_blocking(self._fd, True)  # of a standard output it is a state that other programs share
        if self._new and self._untouched:
            with contextlib.suppress(OSError):  # it is gone, or its folder is
                file = Path(self._name)
                if os.path.samestat(file.stat(), os.fstat(self._fd)):
                    file.unlink()
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1


async def open_fifo(path: str) -> Sink:
    """The host's FIFO, opened for writing; waits for its reader. Never makes a file where the FIFO has gone.

    Always do this, also before failing: 4.0 waits for ever for a writer that never came.
    """
    return await _open(
        path,
        f"The FIFO {path} is gone, so the program that asked for the capture no longer waits for it. Start the capture "
        "again.",
    )


async def open_output(path: str) -> Sink:
    """What a person named: a FIFO or device as `open_fifo`, an existing file with its content, or a new one (0600)."""
    new = False
    with contextlib.suppress(OSError):  # FileExistsError; every other reason is met and told below
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOEXEC, 0o600))
        new = True
    return await _open(path, "", new=new, create=os.O_CREAT)


async def _open(path: str, missing: str, *, new: bool = False, create: int = 0) -> Sink:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            fd = os.open(path, os.O_WRONLY | _NONBLOCK | _CLOEXEC | create, 0o600)
            break
        except OSError as error:
            # ENXIO: a FIFO without a reader yet.
            if error.errno == errno.ENXIO and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(RETRY)
                continue
            raise OutputError(_refused(path, error, missing)) from error
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # a file has no pipe buffer; a user may be over the system's pipe pages
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return Sink(fd, path, new=new)


def _refused(path: str, error: OSError, missing: str) -> str:
    if error.errno == errno.ENOENT and missing:
        return missing
    if error.errno == errno.ENXIO:
        return f"Nobody read the FIFO {path} within {PATIENCE:.0f} s. Start its reader first, then the capture again."
    return (
        f"The capture's output {path} cannot be opened: {error.strerror}. Check that its folder is there and may be "
        "written to."
    )


def standard_output() -> Sink:
    return Sink(os.dup(1), "standard output")
