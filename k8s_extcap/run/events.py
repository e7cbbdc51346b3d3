"""Announcing a capture in the cluster, beside its work: it never waits for that, and never fails for it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import notice
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.model.plan import Plan
from k8s_extcap.run import owner

_log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds for the Event about the end; Wireshark waits for us, and an answer takes 5 ms


class Announcer:
    """The Events of one attempt. The second one is not tried where the first was refused."""

    def __init__(self, session: Session, plan: Plan, capture: str, *, wanted: bool) -> None:
        self._session = session
        self._plan = plan
        self._capture = capture
        self._thread: threading.Thread | None = None
        self._off = not wanted or not notice.due(plan)

    def began(self) -> None:
        """At once; what comes of it is not waited for."""
        self._start("began", notice.beginning(self._plan))

    def ended(self, packets: int, left: tuple[str, ...]) -> None:
        """Blocks until it is told, PATIENCE at the most."""
        if self._thread:
            self._thread.join(PATIENCE)
        self._start("ended", notice.ending(self._plan, packets, left))
        if self._thread:
            self._thread.join(PATIENCE)

    def _start(self, when: notice.When, told: str) -> None:
        if self._off or (self._thread and self._thread.is_alive()):
            return
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._session.api.now()))
        body = notice.body(self._plan, self._capture, when, told, at=at, by=owner.place())
        self._thread = threading.Thread(target=self._tell, args=(body,), daemon=True)
        self._thread.start()

    def _tell(self, body: dict[str, Any]) -> None:
        try:
            self._session.api.create(notice.path(self._plan), body)
        except ExtcapError as error:
            self._off = True
            _log.info("no Event tells of this capture: %s", error)
        except Exception:  # a thread's surprise goes to stderr otherwise, and so into an error dialog
            self._off = True
            _log.exception("no Event tells of this capture")
