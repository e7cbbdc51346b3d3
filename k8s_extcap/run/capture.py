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
from k8s_extcap.kube import review
from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import ladder
from k8s_extcap.model.errors import MethodError, RemoteError
from k8s_extcap.model.plan import ExecSpec, Plan, Target
from k8s_extcap.model.report import Counters, Report
from k8s_extcap.model.request import CaptureRequest, MethodName
from k8s_extcap.run import resolve
from k8s_extcap.run.executor import Executor
from k8s_extcap.run.pump import Pump
from k8s_extcap.run.session import open_session
from k8s_extcap.run.stop import Stop, StoppedError, or_stop
from k8s_extcap.run.stream import RemoteStream
from k8s_extcap.version import VERSION
from k8s_extcap.wire.blocks import Interface, Section
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


async def _attempt(
    session: Session,
    request: CaptureRequest,
    plan: Plan,
    number: str,
    sink: Sink,
    stop: Stop,
    counters: Counters,
) -> list[str]:
    """One method, from its first deed to its last undo; what could not be undone."""
    executor = Executor(session, number)
    try:
        specs = await executor.execute(plan, stop)
        await Source(request, plan, specs[0], sink, stop, counters).run(session)
    except StoppedError:
        _log.info("stopped before the first packet: %s", stop.reason)
    finally:
        leftover = await executor.unwind()
    return leftover


async def capture(request: CaptureRequest, sink: Sink, stop: Stop, watch: Watch | None = None) -> Report:
    """Runs one capture to its end. An ExtcapError says what went wrong; what was created is undone in any case."""
    watch = watch or Watch()
    number = secrets.token_hex(5)
    began = time.time()
    sink.on_gone = lambda: stop.request("the reader closed the capture")
    try:
        session = await or_stop(asyncio.to_thread(open_session, request.connection, capture=number), stop)
        watch.on_session(session)
        target, note = await or_stop(asyncio.to_thread(resolve.resolve, session, request), stop)
        watch.on_target(target)
        facts = await or_stop(review.gather(session, request, target), stop)
        plan = ladder.plan(request, target, facts, number)
    except StoppedError:
        return Report(0, 0, time.time() - began, None, stop.reason)
    leftover: list[str] = []
    failed: dict[MethodName, str] = {}
    while True:
        _log.info("capture %s: %s %s", number, note, plan.why)
        watch.on_plan(plan, note)
        try:
            leftover += await _attempt(session, request, plan, number, sink, stop, watch.counters)
            break
        except (RemoteError, MethodError) as error:
            # `auto` goes on with the next method as long as nothing was captured; what it says then names them all.
            # One method is tried twice at most: nsenter, whose second helper may be privileged.
            if request.method != "auto" or watch.counters.packets or stop.requested or plan.method in failed:
                raise
            _log.warning("method %s: %s", plan.method, error, exc_info=error)
            failed[plan.method] = error.sentence
            number = secrets.token_hex(5)  # names are used once
            facts = await review.gather(session, replace(request, method="ephemeral"), target)
            plan = ladder.plan(request, target, facts, number, failed)
    if sink.failure:
        raise sink.failure
    counters = watch.counters
    report = Report(
        counters.packets, counters.bytes, time.time() - began, counters.dropped, stop.reason, tuple(leftover)
    )
    _log.info("capture %s: %s", number, report)
    return report


class Source:
    """One target's stream into the sink, with the blocks around its packets."""

    def __init__(
        self, request: CaptureRequest, plan: Plan, spec: ExecSpec, sink: Sink, stop: Stop, counters: Counters
    ) -> None:
        self._request = request
        self._plan = plan
        self._spec = spec
        self._sink = sink
        self._stop = stop
        self._counters = counters
        self._pcapng = request.output == "pcapng"
        self._section: Section | None = None
        self._pump = Pump(
            sink,
            request.limits,
            pcapng=self._pcapng,
            interface=0,
            on_header=self._head,
            on_full=lambda: stop.request("the limit of packets or bytes was reached"),
        )
        sink.on_drained = self._pump.resume

    async def run(self, session: Session) -> None:
        stream = RemoteStream(session, self._spec, self._plan.target, self._request, self._pump, self._stop)
        counting = asyncio.create_task(self._count(stream))
        timer = None
        if self._request.limits.seconds:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._request.limits.seconds, self._stop.request, "the time limit was reached")
        began = time.time()
        try:
            await stream.run()
        finally:
            counting.cancel()
            if timer:
                timer.cancel()
            self._take(stream)
            self._tail(began)
            await self._sink.drained(FLUSH)

    def _take(self, stream: RemoteStream) -> None:
        reader, told = self._pump.reader, stream.statistics
        self._counters.packets, self._counters.bytes = reader.packets, reader.octets
        self._counters.received, self._counters.dropped = told.received, told.dropped
        self._counters.if_dropped = told.if_dropped

    async def _count(self, stream: RemoteStream) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._take(stream)

    def _head(self, header: Header) -> bytes:
        if not self._pcapng:
            return b""
        target, request = self._plan.target, self._request
        name, where = describe(target, self._spec)
        comment = f"{where}, method {self._plan.method}"
        comment += f", filter {request.filter}" if request.filter else ""
        comment += f"\n{request.comment}" if request.comment else ""
        interface = Interface(
            name=name,
            description=where,
            filter=request.filter,
            link_type=header.link_type,
            snaplen=header.snaplen,
            digits=header.digits,
        )
        self._section = Section(f"k8s-extcap {VERSION}", comment, (interface,))
        return self._section.start()

    def _tail(self, began: float) -> None:
        header = self._pump.reader.header
        if self._section is None or header is None or self._sink.gone:
            return
        counters = self._counters
        self._sink.put(
            self._section.statistics(
                0, began, time.time(), received=counters.received, dropped=counters.dropped, digits=header.digits
            )
        )


def describe(target: Target, spec: ExecSpec) -> tuple[str, str]:
    """The interface's name and description in the file: what tells sources apart in Wireshark's columns."""
    if target.is_node:
        return f"{target.node} {spec.nic}", f"node {target.node}, interface {spec.nic}"
    name = f"{target.namespace}/{target.name}"
    inside = f"container {target.container}, " if target.container else ""
    node = f" on node {target.node}" if target.node else ""
    return f"{name} {spec.nic}", f"{inside}pod {name}{node}, interface {spec.nic}"
