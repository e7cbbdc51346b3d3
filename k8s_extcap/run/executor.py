"""Interprets a plan's steps: the undo is on disk before each deed, and everything is undone in reverse order."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import msgspec

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import starting
from k8s_extcap.model.errors import ConfigError, ExtcapError, MethodError, RefusedError
from k8s_extcap.model.objects import Pod, PodList
from k8s_extcap.model.plan import ExecSpec, Plan, Step
from k8s_extcap.run import journal, owner, reaper, refusals, undoing
from k8s_extcap.run.stop import Stop, or_stop

_log = logging.getLogger(__name__)

REFUSED = 2.0  # seconds without a pod until the Job's events are read, and between two looks at them
LOOK = 0.15  # seconds between two looks at a starting container: containerd takes 0.3-1 s
CONFLICTS = 5  # tries of a patch that met another's (409): ten captures may start together


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class _Created(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class Executor:
    """One capture's deeds. `execute` gives the execs with the pods they run in; `unwind` always comes after it."""

    def __init__(self, session: Session, capture: str) -> None:
        self._session = session
        self._capture = capture
        self._journal: journal.Journal | None = None
        self._reaper: reaper.Handle | None = None
        self._pod = ""

    async def execute(self, plan: Plan, stop: Stop) -> tuple[ExecSpec, ...]:
        """Takes the steps in order. StoppedError as soon as the capture is stopped."""
        if any(step.undo for step in plan.steps) or any(spec.uploads for spec in plan.execs):
            self._journal = await asyncio.to_thread(journal.open, self._capture, self._session)
            try:
                self._reaper = reaper.arm(self._journal)
            except OSError as error:
                raise ConfigError(
                    f"The process that undoes a killed capture's deeds could not be started ({error.strerror}), so "
                    "nothing was done. Is this machine out of memory or processes?"
                ) from error
        for step in plan.steps:
            await or_stop(self._take(step), stop)
        specs = tuple(replace(spec, pod=spec.pod or self._pod) for spec in plan.execs)
        for spec in specs:
            if spec.uploads and self._journal:
                self._journal.intend(journal.remove(spec))
        return specs

    async def _take(self, step: Step) -> None:
        _log.info("step %s: %s", step.verb, step.what)
        if step.verb == "wait":
            await self._wait(step)
            return
        record = None
        if step.undo and self._journal:
            record = self._journal.intend(journal.delete(f"{step.path}/{step.name}", step.what))
        answer = await asyncio.to_thread(self._call, step)
        if record is not None and self._journal:
            self._journal.learn(record, msgspec.json.decode(answer, type=_Created).metadata.uid)

    def _call(self, step: Step) -> bytes:
        api = self._session.api
        if step.verb == "create":
            return api.create(step.path, owner.stamped(step.body))
        for attempt in range(CONFLICTS):
            try:
                return api.patch(step.path, step.body, step.content_type)
            except RefusedError as error:
                if error.status != 409 or attempt == CONFLICTS - 1:
                    raise
                time.sleep(0.05 * (attempt + 1))  # another capture patched the same pod meanwhile
        raise AssertionError("unreachable")

    async def _wait(self, step: Step) -> None:
        """Until the container runs; MethodError at once when it never will, or when the time is over."""
        began = asyncio.get_running_loop().time()
        deadline, asked = began + step.timeout, began + REFUSED
        while True:
            pod = await asyncio.to_thread(self._look, step)
            if pod is not None:
                self._pod = pod.metadata.name
                if starting.started(pod, step.container):
                    return
            now = asyncio.get_running_loop().time()
            if pod is None and step.selector and now > asked:
                asked = now + REFUSED
                if refusal := await asyncio.to_thread(refusals.of_job, self._session.api, step):
                    raise refusal
            if now > deadline:
                if pod is None:
                    raise MethodError(
                        f"No pod appeared for {step.what} within {step.timeout:.0f} s. Quota may forbid it."
                    )
                raise starting.late(pod, step.container, step.timeout)
            await asyncio.sleep(LOOK)

    def _look(self, step: Step) -> Pod | None:
        if not step.selector:
            return self._session.api.get_as(step.path, Pod)
        pods = self._session.api.get_as(step.path, PodList, {"labelSelector": step.selector}).items
        return pods[0] if pods else None

    async def unwind(self) -> list[str]:
        """Undoes what was done, newest first; what could not be undone is left to the reaper and named."""
        if self._journal is None:
            return []
        try:
            left = await asyncio.to_thread(undoing.undo, self._session, self._journal)
        except ExtcapError as error:
            _log.warning("undo: %s", error)
            left = [error.sentence]
        if self._reaper:
            await asyncio.to_thread(self._reaper.release, finished=not left)  # it waits for the reaper to leave
        return left
