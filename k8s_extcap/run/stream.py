"""One exec that carries packets: uploads, signs of life, the pump, the ordered end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Literal

from k8s_extcap import payload
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command, ExecStream, open_exec
from k8s_extcap.kube.pulse import FROZEN
from k8s_extcap.methods import guard, hearing, tcpdump
from k8s_extcap.model.errors import ExtcapError, RemoteError, StreamError, clip
from k8s_extcap.model.plan import ExecSpec, Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.run.pump import Pump
from k8s_extcap.run.stop import Stop
from k8s_extcap.wire.pcap import NotCaptureError

_log = logging.getLogger(__name__)

# How a stream ended: we asked for it; the way to the far side broke; what ran there was killed from outside, as by a
# restart of its container; or anything else, which another stream would meet again.
End = Literal["asked", "cut", "killed", "unknown"]
KILLED = 137  # 128 + SIGKILL

DRAIN = 1.5  # seconds of silence after a stop until the far side is given up: the whole end has two
DRAINED = 10.0  # seconds in which what is on its way comes in on a slow line; the guard kills tcpdump after five
FIRST = 0.5  # seconds between two looks for the file header
WORDS = 4096  # bytes kept of what the far side says on stderr
NEEDS = 8  # questions kept: three are asked, by whoever is in the pod


class RemoteStream:
    """Runs `spec` until it ends or `stop` is requested. Raises what went wrong; a wanted end raises nothing."""

    def __init__(
        self, session: Session, spec: ExecSpec, target: Target, request: CaptureRequest, pump: Pump, stop: Stop
    ) -> None:
        self._session = session
        self._spec = spec
        self._request = request
        self._pump = pump
        self._stop = stop
        self._where = f"container {spec.container or '(default)'} of {target.spoken()}"
        self._ready = asyncio.Event()
        self._needs: asyncio.Queue[str] = asyncio.Queue()
        self._lines = hearing.Lines()
        self._began = time.time()
        self._words: list[str] = []
        self._code: int | None = None
        self._bad = ""
        self._beat = time.time()
        self.statistics = tcpdump.Statistics()
        self.nic = spec.nic  # a helper pod chooses on the node and says which
        self._stream: ExecStream | None = None
        self.end: End = "unknown"

    # the exec calls these

    def stdout(self, data: memoryview, /) -> None:
        self._pump.take(data)

    def stderr(self, data: bytes, /) -> None:
        for line in self._lines.feed(data):
            self._hear(line)
        if self._lines.flood(time.time() - self._began):
            raise RemoteError(
                f"{self._capital} said {self._lines.heard // 1000:,} kB on standard error, "
                "more than any tcpdump does. Its tcpdump or shell may be another program; use the method ephemeral."
            )

    def _hear(self, line: str) -> None:
        word = hearing.word(line)
        if word is not None:
            if word.kind == "need" and self._needs.qsize() < NEEDS:
                self._needs.put_nowait(word.rest)
            elif word.kind == "ready":
                self._ready.set()
            elif word.kind == "bad":
                self._bad = word.rest
            elif word.kind == "rc":
                self._code = word.code
        elif line.startswith(tcpdump.CHOSEN):
            self.nic = clip(line.removeprefix(tcpdump.CHOSEN), 15)  # IFNAMSIZ - 1; it comes from a pod
        elif tcpdump.count(line, self.statistics) or tcpdump.noise(line):
            return
        elif sum(map(len, self._words)) < WORDS:  # whoever says more is neither kept nor logged
            _log.info("%s says: %s", self._where, clip(line))
            self._words.append(line)

    # ours

    @property
    def _capital(self) -> str:
        """Where it runs, at the beginning of a sentence."""
        return self._where[0].upper() + self._where[1:]

    @property
    def since(self) -> float:
        """When the far side was last heard (epoch seconds), or, had we slept, when it gave us up."""
        heard = time.time() - (self._stream.silence if self._stream else 0.0)
        return min(heard, self._beat + guard.TICKS)

    async def run(self) -> None:
        spec = self._spec
        stream = await open_exec(self._session, Command(spec.namespace, spec.pod, spec.container, spec.command), self)
        self._stream = stream
        self._pump.valve = stream
        _log.info("exec in %s: protocol %s", self._where, stream.protocol)
        tasks = [asyncio.create_task(self._feed(stream)), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait([stream.ended, *tasks[1:]], return_when=asyncio.FIRST_COMPLETED)
            if not stream.ended.done():
                await self._end(stream)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            stream.abort()
            self._pump.close()
        self._judge(stream)

    async def _feed(self, stream: ExecStream) -> None:
        """Files and the tail when asked for, then signs of life. A stream that never gets ready is a failure."""
        limit = max(self._request.connection.wait, self._request.connection.timeout)
        try:
            async with asyncio.timeout(limit):
                expected = len(self._spec.uploads) + bool(self._spec.tail)
                for _ in range(expected):
                    need = await self._needs.get()
                    await stream.upload(self._answer(need))
                await self._ready.wait()
                # Every tcpdump begins with a file header, packets or not: one that does not hangs.
                while self._pump.reader.header is None:
                    self._beat = time.time()
                    stream.send(guard.BEAT)
                    await asyncio.sleep(FIRST)
        except TimeoutError:
            if self._pump.reader.header is None:  # else this computer slept since the look before it came
                stream.failure = stream.failure or StreamError(
                    f"The command in {self._where} did not start within {limit:.0f} s. The node "
                    "may be overloaded or its container runtime stuck; try again, or another pod."
                    if not self._ready.is_set()
                    else f"tcpdump in {self._where} runs, but sent nothing within {limit:.0f} s. "
                    "It may be another program, or stopped; use the method upload or ephemeral."
                )
                stream.abort()
                return
        except ExtcapError as error:
            stream.failure = error
            stream.abort()
            return
        else:
            self._beat = time.time()
        # Having slept for longer than the far side waits, there is nobody to give a sign to: its end is on the way.
        while time.time() - self._beat < guard.TICKS:
            self._beat = time.time()
            before = self._progress()
            await asyncio.sleep(guard.INTERVAL)
            if self._code is not None and self._progress() == before:
                stream.abort()  # tcpdump has ended, and something that it left behind holds the stream open
                return
            stream.send(guard.STAT)

    def _progress(self) -> tuple[int, float, float]:
        """What changes while packets come, or are held back by us."""
        return self._pump.reader.packets, self._pump.slowed, self._pump.stalled

    def _answer(self, need: str) -> bytes:
        if need == "-":
            return self._spec.tail.encode() + b"\n"
        for upload in self._spec.uploads:
            if upload.path == need:
                return _content(upload.file)
        raise RemoteError(f"{self._where} asked for a file that was not offered ('{clip(need, 60)}').")

    async def _end(self, stream: ExecStream) -> None:
        """Stop, then read on until the status has come: what tcpdump had is not lost."""
        self._pump.free()
        if self._ready.is_set():
            if self._spec.settle and self._stop.asked:
                await asyncio.sleep(self._spec.settle)
            stream.send(guard.STOP)
            if not await _drained(stream):
                _log.warning("%s did not end after its stop", self._where)
        stream.close_stdin()

    def _judge(self, stream: ExecStream) -> None:
        """Why it ended. Everything is well if we asked for it; else the far side's words decide."""
        for line in self._lines.end():
            self._hear(line)
        failure = stream.failure
        try:
            self._pump.finish()  # what came is kept, whatever went wrong
        except NotCaptureError as error:
            failure = failure or error
        if isinstance(failure, NotCaptureError):
            if not self._stop.requested:
                raise self._failure(stream, failure.text) from failure
        elif failure:
            raise failure
        if self._stop.requested:
            self.end = "asked"
            self._pump.release()
            return
        raise self._failure(stream, "")

    def _failure(self, stream: ExecStream, printed: str) -> ExtcapError:
        said = "; ".join(self._words[-4:]) or printed
        end = stream.exit
        silent = time.time() - self._beat
        code = self._code if self._code is not None else (end.code if end else None)
        if silent > guard.TICKS:  # the wall clock goes on while this computer sleeps or this process is stopped
            self.end = "cut"
            return StreamError(
                f"This computer slept, or stood still, for {silent:.0f} s, so the far side ended the capture from "
                f"{self._where}: it waits {guard.TICKS} s for a sign of life. Start the capture again."
            )
        if self._bad:
            return RemoteError(
                f"The upload to {self._where} arrived damaged ({clip(self._bad, 80)}): its length or digest was wrong. "
                "Try again; if it repeats, use the method ephemeral."
            )
        if printed:
            return self._no_capture(printed)
        if end is None and self._code is None:
            self.end = "cut"
            if stream.frozen:
                return StreamError(
                    f"The stream from {self._where} is frozen (no answer for {FROZEN:.0f} s). The network, a proxy or "
                    "the node may hang; start the capture again when 'kubectl get nodes' answers."
                )
            return StreamError(
                f"The stream from {self._where} was cut after {self._pump.reader.packets} packets. The pod, its node "
                "or a proxy may have gone; start the capture again."
            )
        if code == KILLED or (end is not None and code is None):
            self.end = "killed"
        if code is None and end is not None:
            return started(self._where, end.message)
        if code == 0:
            return StreamError(
                f"tcpdump in {self._where} ended by itself after {self._pump.reader.packets} packets "
                f"({clip(said, 160) or 'it said nothing'}). Start the capture again."
            )
        return tcpdump.failure(said, code, self._where, self._request)

    def _no_capture(self, printed: str) -> ExtcapError:
        """The stream was ended at bytes that cannot be: words instead of a capture, or damage within one."""
        if self._pump.reader.header:
            return StreamError(
                f"The capture from {self._where} is damaged after {self._pump.reader.packets} packets ({printed}). "
                "Start it again; if it repeats, use another method."
            )
        return RemoteError(
            f"{self._capital} sent something that is no capture: '{clip(printed, 160)}'. "
            "Its tcpdump may be another program; use the method upload or ephemeral."
        )


async def _drained(stream: ExecStream) -> bool:
    """Whether it ended by itself. As long as it sends, it is listened to: what tcpdump had captured is on its way."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    while not stream.ended.done():
        passed = loop.time() - asked
        patience = min(DRAIN - min(stream.silence, passed), DRAINED - passed)
        if patience <= 0:
            return False
        await asyncio.wait([stream.ended], timeout=patience)
    return True


def _content(file: str) -> bytes:
    """A program of the payload by its file's name, "tcpdump-amd64"; its digest has been checked."""
    name, _, arch = file.rpartition("-")
    found = payload.find(name, arch)
    if isinstance(found, payload.Missing):
        raise RemoteError(found.reason)
    return found.content


def started(where: str, message: str) -> ExtcapError:
    """The runtime could not start the command (InternalError on the status channel)."""
    if "executable file not found" in message or "no such file or directory" in message:
        return RemoteError(f"There is no shell in {where}. Use the method ephemeral, which brings its own container.")
    if "permission denied" in message.lower():
        return RemoteError(f"The shell in {where} may not be started (permission denied). Use the method ephemeral.")
    if "not running" in message or "not found" in message:
        return StreamError(f"The {where} stopped: {clip(message, 160)}. Start the capture again when it runs.")
    return RemoteError(
        f"The node could not start a command in {where}: {clip(message, 180)}. 'kubectl describe node' may tell why; "
        "try again, or another pod."
    )
