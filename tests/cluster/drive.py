"""Drives one plan on the real cluster without the pump: steps, exec, uploads, signs of life, stop, unwinding."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field

from k8s_extcap import payload
from k8s_extcap.kube import review
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command, ExecStream, open_exec
from k8s_extcap.methods import guard, ladder
from k8s_extcap.model.objects import Node, Pod
from k8s_extcap.model.plan import ExecSpec, Facts, Plan, Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.run.executor import Executor
from k8s_extcap.run.stop import Stop


@dataclass(slots=True)
class Drive:
    """What came of it. `packets` are the captured bytes of each."""

    plan: Plan
    said: str = ""
    code: int | None = None
    packets: list[bytes] = field(default_factory=list)
    octets: int = 0
    seconds: float = 0.0
    leftover: list[str] = field(default_factory=list)


class _Handler:
    def __init__(self, spec: ExecSpec) -> None:
        self.spec = spec
        self.out, self.err = bytearray(), b""
        self.stream: ExecStream | None = None
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.words: list[str] = []

    def stdout(self, data: memoryview, /) -> None:
        self.out += data

    def stderr(self, data: bytes, /) -> None:
        *lines, self.err = (self.err + data).split(b"\n")
        for line in lines:
            self.words.append(line.decode(errors="replace"))
            self.lines.put_nowait(self.words[-1])


def target_of(session: Session, namespace: str, pod: str, container: str = "") -> Target:
    found = session.api.get_as(f"/api/v1/namespaces/{namespace}/pods/{pod}", Pod)
    return Target(session.context, namespace, found, container, found.spec.node_name)


def node_target(session: Session, namespace: str, node: str) -> Target:
    session.api.get_as(f"/api/v1/nodes/{node}", Node)
    return Target(session.context, namespace, Pod(), node=node, is_node=True)


async def facts_of(session: Session, request: CaptureRequest, target: Target) -> Facts:
    return await review.gather(session, request, target)


async def drive(
    session: Session, request: CaptureRequest, target: Target, capture: str, *, packets: int = 5, seconds: float = 15
) -> Drive:
    """Captures until so many packets came or the time is over, then stops in good order and undoes everything."""
    plan = ladder.plan(request, target, await facts_of(session, request, target), capture)
    result = Drive(plan)
    executor = Executor(session, capture)
    try:
        for spec in await executor.execute(plan, Stop()):
            await _one(session, spec, result, packets, seconds)
    finally:
        result.leftover = await executor.unwind()
    return result


async def _one(session: Session, spec: ExecSpec, result: Drive, packets: int, seconds: float) -> None:
    handler = _Handler(spec)
    began = asyncio.get_running_loop().time()
    stream = await open_exec(session, Command(spec.namespace, spec.pod, spec.container, spec.command), handler)
    feeder = asyncio.create_task(_feed(stream, handler))
    try:
        async with asyncio.timeout(seconds):
            while len(parse(bytes(handler.out))) < packets and not stream.ended.done():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    stream.send(guard.STOP)
    await asyncio.wait([stream.ended], timeout=10)
    for task in (feeder, *(t for t in asyncio.all_tasks() if t.get_name() == "beat")):
        task.cancel()
    stream.abort()
    result.said = "\n".join(handler.words)
    result.code = stream.exit.code if stream.exit else None
    result.octets = len(handler.out)
    result.seconds = asyncio.get_running_loop().time() - began
    result.packets = parse(bytes(handler.out))


async def _beat(stream: ExecStream) -> None:
    while True:
        await asyncio.sleep(guard.INTERVAL)
        stream.send(guard.BEAT)


async def _feed(stream: ExecStream, handler: _Handler) -> None:
    beating = None
    while True:
        line = await handler.lines.get()
        if line == guard.MARK + "ready" and beating is None:
            beating = asyncio.create_task(_beat(stream), name="beat")
        if not line.startswith(guard.MARK + "need "):
            continue
        asked = line.removeprefix(guard.MARK + "need ")
        for upload in handler.spec.uploads:
            if upload.path == asked:
                name, _, arch = upload.file.partition("-")
                found = payload.find(name, arch)
                assert isinstance(found, payload.Binary)
                await stream.upload(found.content)


def parse(data: bytes) -> list[bytes]:
    """The whole packets of a pcap in this machine's byte order."""
    found, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        if at + 16 + length > len(data):
            break
        found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return found
