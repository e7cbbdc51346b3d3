"""The stop token: the one thing that flows against the stream. Many sources, one event, the first reason stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

POLL = 0.5  # seconds between looks at the parent: a crashed host must cost the pod no more than that


class Stop:
    """`reason` is for the report; `asked`: the user or the host wanted it, so nothing is wrong."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""
        self.asked = True

    def request(self, reason: str, *, asked: bool = True) -> None:
        if not self._event.is_set():
            self.reason = reason
            self.asked = asked
            self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()


def watch_signals(stop: Stop, *, nohup: bool = False) -> None:
    """Wireshark stops us by SIGTERM; Ctrl+C reaches the whole process group as SIGINT; a closed terminal is SIGHUP.
    `nohup`: that one is obeyed only if nobody has had it ignored, as the program of this name does (so does tcpdump).
    """
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if sys.platform == "win32":  # which has no SIGHUP, and whose loop takes no handlers
        for number in numbers:
            signal.signal(number, lambda n, _: loop.call_soon_threadsafe(stop.request, signal.Signals(n).name))
        return
    if not nohup or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.request, signal.Signals(number).name)


async def watch_parent(stop: Stop) -> None:
    """A host that crashed sends no signal; on an idle capture the FIFO stays quiet too. Only the parent's id tells."""
    parent = os.getppid()
    while not stop.requested:
        await asyncio.sleep(POLL)
        if os.getppid() != parent:
            stop.request("the program that started the capture is gone")


class StoppedError(Exception):
    """The capture was stopped before it began: nothing went wrong."""


async def or_stop(work: Awaitable[T], stop: Stop) -> T:
    """The work's result, or StoppedError as soon as the stop token is there; a thread is left to end by itself."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        return task.result()
    task.cancel()
    raise StoppedError
