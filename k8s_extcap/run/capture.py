"""The list of stages; reading this page explains the program.

    session -> target -> facts -> plan -> [undo armed] -> steps -> stream -> sink -> report -> unwind

Each stage takes what the one before it made. Only the stop token flows down and the counters flow up.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from k8s_extcap.edge.fifo import Sink
from k8s_extcap.kube import credential, review
from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import ephemeral, ladder
from k8s_extcap.model.errors import ExtcapError, MethodError, RefusedError, RemoteError, TargetError, UsageError
from k8s_extcap.model.plan import ExecSpec, Plan, Target
from k8s_extcap.model.report import Counters, Report
from k8s_extcap.model.request import CaptureRequest, MethodName
from k8s_extcap.run import again, janitor, resolve
from k8s_extcap.run.events import Announcer
from k8s_extcap.run.executor import Executor
from k8s_extcap.run.recording import Recording
from k8s_extcap.run.session import open_session
from k8s_extcap.run.source import Source
from k8s_extcap.run.stop import Stop, StoppedError, or_stop

_log = logging.getLogger(__name__)

FLUSH = 1.0  # seconds for the reader to take the last packets


@dataclass(slots=True)
class Watch:
    """What a spectator (the command line) may see and be told; every field is optional to look at."""

    counters: Counters = field(default_factory=Counters)
    on_session: Callable[[Session], None] = lambda _session: None
    on_target: Callable[[Target], None] = lambda _target: None
    on_plan: Callable[[Plan, str], None] = lambda _plan, _note: None
    on_cut: Callable[[str], None] = lambda _sentence: None


async def capture(request: CaptureRequest, sink: Sink, stop: Stop, watch: Watch | None = None) -> Report:
    """Runs one capture to its end. An ExtcapError says what went wrong; what was created is undone in any case."""
    running = _Capture(request, sink, stop, watch or Watch())
    began = time.time()
    sink.on_gone = lambda: stop.request("the reader closed the capture")
    running.recording.begin()
    try:
        await or_stop(asyncio.to_thread(janitor.start), stop)
        await running.run()
    except StoppedError:
        _log.info("stopped while nothing was captured: %s", stop.reason)
        credential.abandon()
    finally:
        running.recording.end()
        await sink.drained(FLUSH)
        report = running.report(time.time() - began)
        _log.info("%s", report)
    if sink.failure:
        raise sink.failure
    return report


class _Capture:
    """One capture, over as many attempts as it takes: methods under `auto`, streams after a cut."""

    def __init__(self, request: CaptureRequest, sink: Sink, stop: Stop, watch: Watch) -> None:
        self._request = request
        self._sink = sink
        self._stop = stop
        self._watch = watch
        self.recording = Recording(request, sink, watch.counters)
        self._number = ""  # of the attempt: names are used once
        self._failed: dict[MethodName, str] = {}  # what was tried under `auto`
        self._leftover: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._execs = 0  # streams since the last that lasted
        self._patience: again.Patience | None = None  # with the interruption that there is

    def report(self, seconds: float) -> Report:
        return Report(
            self._watch.counters.sum, seconds, self._stop.reason, tuple(self._leftover), tuple(self.recording.gaps)
        )

    async def run(self) -> None:
        session, target, note = await self._found(self._request)
        plan = await self._planned(session, self._request, target)
        try:
            while True:
                _log.info("capture %s: %s %s", self._number, note or target.spoken(), plan.why)
                self._watch.on_plan(plan, note)
                source = Source(self._request, plan, self._sink, self._stop, self.recording)
                try:
                    await self._attempt(session, plan, source)
                    return
                except ExtcapError as error:
                    if self._stop.requested:
                        raise
                    session, plan, note = await self._next(session, plan, source, error)
        finally:
            if self._timer:
                self._timer.cancel()

    # one attempt

    async def _found(self, request: CaptureRequest) -> tuple[Session, Target, str]:
        self._number = secrets.token_hex(5)
        stop, watch = self._stop, self._watch
        session = await or_stop(asyncio.to_thread(open_session, request.connection, capture=self._number), stop)
        watch.on_session(session)
        target, note = await or_stop(asyncio.to_thread(resolve.resolve, session, request), stop)
        await or_stop(asyncio.to_thread(watch.on_target, target), stop)  # it may wait for a lock of the option store
        return session, target, note

    async def _found_again(self, before: Target, left: float) -> tuple[Session, Target, str]:
        """The pod that was captured; where a workload was asked for and that pod is gone, its successor."""
        same = again.same(self._request, before, left)
        try:
            return await self._found(same)
        except TargetError:
            if same.target.kind == self._request.target.kind:
                raise
            return await self._found(self._request)

    async def _planned(self, session: Session, request: CaptureRequest, target: Target) -> Plan:
        facts = await or_stop(review.gather(session, request, target), self._stop)
        return ladder.plan(self._request, target, facts, self._number, self._failed)

    async def _attempt(self, session: Session, plan: Plan, source: Source) -> None:
        """One method, from its first deed to its last undo."""
        executor = Executor(session, self._number)
        announcer = Announcer(session, plan, self._number, wanted=self._request.announce)
        announcer.began()
        try:
            specs = await executor.execute(plan, self._stop)
            await self._stream(session, plan, source, specs[0])
        finally:
            self._leftover = await executor.unwind()
            await asyncio.to_thread(announcer.ended, self._watch.counters.sum.packets, tuple(self._leftover))

    async def _stream(self, session: Session, plan: Plan, source: Source, spec: ExecSpec) -> None:
        loop = asyncio.get_running_loop()
        seconds = self._request.limits.seconds
        if seconds and self._timer is None:
            self._timer = loop.call_later(seconds, self._stop.request, "the time limit was reached")
        began = loop.time()
        try:
            await source.run(session, spec, self._watch.counters.sum)
        except ExtcapError:
            lasted = loop.time() - began
            self._execs = 1 if lasted > again.SETTLED else self._execs + 1
            if self.recording.flowing and not self._stop.requested and source.end in ("cut", "killed"):
                going = again.may_go_on(session, source.end, spec, plan.target)
                source.goes_on = await or_stop(going, self._stop)
            raise

    # what comes after a failed one

    async def _next(
        self, session: Session, plan: Plan, source: Source, error: ExtcapError
    ) -> tuple[Session, Plan, str]:
        """How it goes on, or the error again."""
        if self._execs < again.EXECS and (source.goes_on or self._still_waits(error)):
            return await self._again(plan.target, source, error)
        first = not self.recording.flowing or not self._watch.counters.sum.packets
        if first and plan.reuses and not isinstance(error, UsageError) and await self._ended(session, plan):
            _log.info("capture %s: %s had just ended itself: %s", self._number, plan.reuses, error)
            self._number = secrets.token_hex(5)
            return session, await self._planned(session, self._request, ephemeral.without(plan.target, plan.reuses)), ""
        untried = self._request.method == "auto" and plan.method not in self._failed
        if first and untried and isinstance(error, (RemoteError, MethodError)):
            _log.warning("method %s: %s", plan.method, error, exc_info=error)
            self._failed[plan.method] = error.sentence
            self._number = secrets.token_hex(5)
            # One method is tried twice at most: nsenter, whose second helper may be privileged.
            larger = replace(self._request, method="ephemeral")
            return session, await self._planned(session, larger, plan.target), ""
        raise error

    async def _ended(self, session: Session, plan: Plan) -> bool:
        """Whether the container of an earlier capture is gone in which this one was to run."""
        return await or_stop(again.may_go_on(session, "killed", plan.execs[0], plan.target), self._stop)

    def _still_waits(self, error: ExtcapError) -> bool:
        """Whether this was a try after a cut, without a packet yet, and another may do better."""
        return self.recording.broken and self._patience is not None and not self._patience.ends(error)

    async def _again(self, before: Target, source: Source, error: ExtcapError) -> tuple[Session, Plan, str]:
        """Waits until the cluster, the way to it and the container are there again. Raises the error where they are
        not in time, or another one that waiting does not help against.
        """
        if self._patience is None or not self.recording.broken:
            why = error.sentence.partition(". ")[0].rstrip(".")
            self._patience = again.Patience(self._request.connection.reconnect)
            self.recording.cut(source.since, why, source.missing)
            self._watch.on_cut(f"{why}. Trying again for {self._patience.left:.0f} s.")
        _log.warning("capture %s: %s", self._number, error)
        wanted = 0.0
        while await self._patience.pause(self._stop, wanted):
            try:
                session, target, note = await self._found_again(before, self._patience.left)
                return session, await self._planned(session, self._request, target), note
            except ExtcapError as told:
                _log.info("capture %s: not yet: %s", self._number, told)
                wanted = told.retry_after if isinstance(told, RefusedError) else 0.0
                if self._patience.ends(told):
                    raise told from error
        raise error
