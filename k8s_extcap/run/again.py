"""Going on after the stream was cut: whether another one may, and from which facts.

The old attempt is undone as at any end; then everything is asked anew, credentials included, because hours may have
passed. Back-off, so that a cluster that comes back is not met by everybody at once.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from k8s_extcap.kube.connect import Session
from k8s_extcap.model import paths
from k8s_extcap.model.errors import (
    ConfigError,
    ExtcapError,
    MethodError,
    RefusedError,
    RemoteError,
    TargetError,
    UsageError,
)
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import ExecSpec, Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.run.stop import Stop, or_stop
from k8s_extcap.run.stream import End

FIRST, FACTOR, LONGEST = 0.5, 2.0, 15.0  # seconds of pause before a try: the first, its growth, its end
JITTER = 0.2  # of a pause, either way
EXECS = 20  # streams into one pod, with no minute of capture between them, are the most
SETTLED = 60.0  # seconds of a stream after which the next cut is a new one, not the same again
SAME = 3  # times that a pod refuses to be captured after it was: it may just be starting
WAKING = 60.0  # seconds: a server that has just started answers 403 until it has read its RBAC rules
NOTICED = 5.0  # seconds until a kubelet has reported that a container ended; it looks once a second
LOOK = 0.5


class Patience:
    """How long one interruption is borne."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._until = self._began + seconds
        self._pause = FIRST
        self._refusals = 0  # of the far side, in a row

    @property
    def left(self) -> float:
        return max(0.0, self._until - self._loop.time())

    async def pause(self, stop: Stop, wanted: float = 0.0) -> bool:
        """Waits before the next try; False when there is no time for one. `wanted`: what the server asked for."""
        seconds = max(wanted, self._pause * random.uniform(1 - JITTER, 1 + JITTER))
        self._pause = min(self._pause * FACTOR, LONGEST)
        if seconds >= self.left:
            return False
        await or_stop(asyncio.sleep(seconds), stop)
        return True

    def ends(self, error: ExtcapError) -> bool:
        """Whether a try that failed so was the last: another would say the same."""
        self._refusals += isinstance(error, (RemoteError, MethodError))
        return hopeless(error, self._refusals, self._loop.time() - self._began)


async def may_go_on(session: Session, end: End, spec: ExecSpec, target: Target) -> bool:
    """Whether what ended the stream has nothing to do with the capture itself."""
    if end != "killed":
        return end == "cut"
    until = asyncio.get_running_loop().time() + NOTICED
    while asyncio.get_running_loop().time() < until:
        changed = await asyncio.to_thread(_changed, session, spec, target)
        if changed is not None:
            return changed
        await asyncio.sleep(LOOK)
    return False


def _changed(session: Session, spec: ExecSpec, target: Target) -> bool | None:
    """Whether the container the stream ran in is gone or was restarted; None: there is nothing to be seen of it (yet).
    False: for want of memory, which our own tcpdump may have used up; not to be tried again.
    """
    try:
        pod = session.api.get_as(paths.one("pod", spec.namespace, spec.pod), Pod)
    except RefusedError as error:
        return True if error.status == 404 else None
    except ExtcapError:
        return True  # nobody answers: the cluster or the way to it is in trouble
    if pod.metadata.deletion_timestamp or pod.status.phase in ("Succeeded", "Failed"):
        return True
    before = {s.name: s.container_id for s in target.pod.statuses} if spec.pod == target.name else {}
    for status in pod.statuses:
        if status.name != spec.container:
            continue
        other = bool(before.get(status.name)) and status.container_id != before[status.name]
        if status.state.running is None or other:
            last = status.state.terminated or status.last_state.terminated
            return not (last and last.reason == "OOMKilled")
    return None


def hopeless(error: ExtcapError, times: int, passed: float) -> bool:
    """Whether another try would say the same. `times`: how often in a row it failed on the far side; `passed`: seconds
    since the cut.
    """
    if isinstance(error, RefusedError):
        if error.status == 403 and passed < WAKING:
            return False
        return error.status not in (408, 409, 425, 429) and error.status < 500
    if isinstance(error, (MethodError, RemoteError)):
        return times >= SAME
    return isinstance(error, (TargetError, UsageError, ConfigError))


def same(request: CaptureRequest, target: Target, left: float) -> CaptureRequest:
    """The request for the very pod that was captured. A container that is restarted in it may take as long as there is
    patience, but for a workload only as long as for any pod: it has others.
    """
    name = request.target
    if target.is_node or name.kind in ("pod", "container"):
        return replace(request, connection=replace(request.connection, wait=max(request.connection.wait, left)))
    pod = Name("pod", target.namespace, target.name, alias=name.alias)
    return replace(request, target=pod, container=target.container)
