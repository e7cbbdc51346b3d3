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
from k8s_extcap.methods import ladder
from k8s_extcap.model.errors import MethodError, RemoteError
from k8s_extcap.model.plan import ExecSpec, Plan, Target
from k8s_extcap.model.report import Counters, Report
from k8s_extcap.model.request import CaptureRequest, MethodName
from k8s_extcap.run import janitor, owner, resolve
from k8s_extcap.run.executor import Executor
from k8s_extcap.run.pump import Pump
from k8s_extcap.run.session import open_session
from k8s_extcap.run.stop import Stop, StoppedError, or_stop
from k8s_extcap.run.stream import RemoteStream
from k8s_extcap.version import VERSION
from k8s_extcap.wire import blocks
from k8s_extcap.wire.pcap import Header

_log = logging.getLogger(__name__)

FLUSH = 1.0  # seconds for the reader to take the last packets


@dataclass(slots=True)
class Watch:
    """What a spectator (the command line) may see and be told; every field is optional to look at."""

    counters: Counters = field(default_factory=Counters)
    on_session: Callable[[Session], None] = lambda _session: None
    on_target: Callable[[Target], None] = lambda _target: None
    on_plan: Callable[[Plan, str], None] = lambda _plan, _note: None


async def _attempt(session: Session, plan: Plan, number: str, source: Source, stop: Stop) -> list[str]:
    """One method, from its first deed to its last undo; what could not be undone."""
    executor = Executor(session, number)
    try:
        specs = await executor.execute(plan, stop)
        await source.run(session, specs[0])
    except StoppedError:
        _log.info("stopped before the first packet: %s", stop.reason)
    finally:
        leftover = await executor.unwind()
    return leftover


async def _attempts(
    session: Session,
    request: CaptureRequest,
    plan: Plan,
    note: str,
    number: str,
    sink: Sink,
    stop: Stop,
    watch: Watch,
) -> list[str]:
    """The plan, and under `auto` what comes after it when it fails before its first packet. What could not be undone.

    One method is tried twice at most: nsenter, whose second helper may be privileged.
    """
    failed: dict[MethodName, str] = {}
    declared = 0
    while True:
        _log.info("capture %s: %s", number, plan.why)
        watch.on_plan(plan, note)
        source = Source(request, plan, sink, stop, watch.counters, declared)
        try:
            return await _attempt(session, plan, number, source, stop)
        except (RemoteError, MethodError) as error:
            if request.method != "auto" or watch.counters.packets or stop.requested or plan.method in failed:
                raise
            _log.warning("method %s: %s", plan.method, error, exc_info=error)
            failed[plan.method] = error.sentence
        declared = source.declared
        number = secrets.token_hex(5)  # names are used once
        facts = await or_stop(review.gather(session, replace(request, method="ephemeral"), plan.target), stop)
        plan = ladder.plan(request, plan.target, facts, number, failed)


async def capture(request: CaptureRequest, sink: Sink, stop: Stop, watch: Watch | None = None) -> Report:
    """Runs one capture to its end. An ExtcapError says what went wrong; what was created is undone in any case."""
    watch = watch or Watch()
    number = secrets.token_hex(5)
    began = time.time()
    sink.on_gone = lambda: stop.request("the reader closed the capture")
    if request.output == "pcapng":
        # At once: dumpcap opens its sources one after the other, and one without a header would hold up all of them.
        comment = request.target.spoken() + (f"\n{request.comment}" if request.comment else "")
        sink.put(blocks.section(f"k8s-extcap {VERSION}", comment))
    try:
        await or_stop(asyncio.to_thread(janitor.start), stop)
        session = await or_stop(asyncio.to_thread(open_session, request.connection, capture=number), stop)
        watch.on_session(session)
        target, note = await or_stop(asyncio.to_thread(resolve.resolve, session, request), stop)
        await or_stop(asyncio.to_thread(watch.on_target, target), stop)  # it may wait for a lock of the option store
        facts = await or_stop(review.gather(session, request, target), stop)
        plan = ladder.plan(request, target, facts, number)
        _log.info("capture %s: %s", number, note or target.spoken())
        leftover = await _attempts(session, request, plan, note, number, sink, stop, watch)
    except StoppedError:
        credential.abandon()
        if sink.failure:
            raise sink.failure from None
        return Report(0, 0, time.time() - began, None, stop.reason)
    if sink.failure:
        raise sink.failure
    counters = watch.counters
    report = Report(
        counters.packets, counters.bytes, time.time() - began, counters.dropped, stop.reason, tuple(leftover)
    )
    _log.info("capture %s: %s", number, report)
    return report


class Source:
    """One target's stream into the sink, with the blocks around its packets. `declared` interfaces stand in the file
    already; it is one more as soon as this one does.
    """

    def __init__(
        self, request: CaptureRequest, plan: Plan, sink: Sink, stop: Stop, counters: Counters, declared: int
    ) -> None:
        self._request = request
        self._plan = plan
        self._sink = sink
        self._stop = stop
        self._counters = counters
        self._number = self.declared = declared

    async def run(self, session: Session, spec: ExecSpec) -> None:
        pump = Pump(
            self._sink,
            self._request.limits,
            pcapng=self._request.output == "pcapng",
            interface=self._number,
            on_header=lambda header: self._head(session, stream.nic, header),
            on_full=lambda: self._stop.request("the limit of packets or bytes was reached"),
        )
        self._sink.on_drained = pump.resume
        stream = RemoteStream(session, spec, self._plan.target, self._request, pump, self._stop)
        counting = asyncio.create_task(self._count(stream, pump))
        loop = asyncio.get_running_loop()
        seconds = self._request.limits.seconds
        timer = loop.call_later(seconds, self._stop.request, "the time limit was reached") if seconds else None
        began = time.time()
        try:
            await stream.run()
        finally:
            counting.cancel()
            if timer:
                timer.cancel()
            self._take(stream, pump)
            self.declared += pump.released
            if pump.released and pump.reader.header:
                self._tail(began, pump.reader.header)
            await self._sink.drained(FLUSH)

    def _take(self, stream: RemoteStream, pump: Pump) -> None:
        told = stream.statistics
        self._counters.packets, self._counters.bytes = pump.reader.packets, pump.reader.octets
        self._counters.received, self._counters.dropped = told.received, told.dropped
        self._counters.if_dropped = told.if_dropped

    async def _count(self, stream: RemoteStream, pump: Pump) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._take(stream, pump)

    def _metadata(self, session: Session) -> list[str]:
        """What goes into the file only when asked for, since files are passed on: who, where, labels."""
        wanted, target = self._request.metadata, self._plan.target
        lines = []
        if "who" in wanted:
            lines.append(f"captured by {owner.place()}")
        if "where" in wanted:
            lines.append(f"context {session.context}, server {session.server}")
        if "labels" in wanted and target.pod.metadata.labels:
            lines.append("labels " + ", ".join(f"{k}={v}" for k, v in sorted(target.pod.metadata.labels.items())))
        return lines

    def _head(self, session: Session, nic: str, header: Header) -> bytes:
        if self._request.output != "pcapng":
            return b""
        name, where = describe(self._plan.target, nic)
        return blocks.interface(
            blocks.Interface(
                name=name,
                description=where,
                filter=self._request.filter,
                link_type=header.link_type,
                snaplen=header.snaplen,
                digits=header.digits,
                comment="\n".join((f"method {self._plan.method}", *self._metadata(session))),
            )
        )

    def _tail(self, began: float, header: Header) -> None:
        if self._request.output != "pcapng" or self._sink.gone:
            return
        told = self._counters
        self._sink.put(
            blocks.statistics(
                self._number, began, time.time(), received=told.received, dropped=told.dropped, digits=header.digits
            )
        )


def describe(target: Target, nic: str) -> tuple[str, str]:
    """The interface's name and description in the file: what tells sources apart in Wireshark's columns."""
    if target.is_node:
        return f"{target.node} {nic}", f"node {target.node}, interface {nic}"
    name = f"{target.namespace}/{target.name}"
    inside = f"container {target.container}, " if target.container else ""
    node = f" on node {target.node}" if target.node else ""
    return f"{name} {nic}", f"{inside}pod {name}{node}, interface {nic}"
