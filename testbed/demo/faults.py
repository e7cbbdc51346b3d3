"""Faults that a real cluster cannot be made to show on demand: one value each, matched against requests."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any


class Kind(enum.StrEnum):
    """What goes wrong. `seconds`, `bytes` and `code` of the fault are its measure where the comment names them."""

    # Whole requests
    REFUSE = "refuse"  # the connection ends without an answer
    DELAY = "delay"  # the answer comes `seconds` late
    HTML_403 = "html-403"  # a proxy's page instead of the API's answer
    GONE = "gone"  # 410 Expired; a watch gets it as an ERROR event in a 200
    TOO_MANY = "too-many"  # 429 with Retry-After `seconds`
    SERVER_ERROR = "server-error"  # `code`, with a Status for 500 and 504, as plain text for the others
    UNAUTHORIZED = "unauthorized"  # 401: a token that expired
    CLOCK_SKEW = "clock-skew"  # Date header and timestamps `seconds` off
    # Answers and streams
    TRICKLE = "trickle"  # one byte at a time
    NO_FIRST_BYTE = "no-first-byte"  # accepted, then silence; after `seconds` it goes on (0: never)
    # Streams of exec
    MULTIPLES = "multiples"  # output only in whole messages of 32 KiB until the process ends
    STDIN_CUT = "stdin-cut"  # input ends after `bytes`, whatever the client still sends
    STATUS_FIRST = "status-first"  # the status arrives before the output
    TAIL_LOST = "tail-lost"  # the last `bytes` of stdout are missing, and the exit code says 0
    NO_STATUS = "no-status"  # closed without a status
    RESET = "reset"  # a TCP reset after `bytes` of output
    FREEZE = "freeze"  # after `bytes` of output neither reads nor writes; the connection stays
    IDLE_CUT = "idle-cut"  # the connection ends after `seconds` without a message in either direction
    SLOW_READER = "slow-reader"  # input is taken at `bytes` per second


@dataclasses.dataclass(frozen=True)
class Fault:
    """`path` is a regular expression searched in path and query; `times` limits how many requests it hits."""

    kind: Kind
    path: str = ""
    method: str = ""
    times: int | None = None
    skip: int = 0
    seconds: float = 0.0
    bytes: int = 0
    code: int = 500

    def matches(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and re.search(self.path, path) is not None


def to_json(fault: Fault) -> dict[str, Any]:
    return dataclasses.asdict(fault)


def from_json(body: dict[str, Any]) -> Fault:
    return Fault(**{**body, "kind": Kind(body["kind"])})


class Faults:
    """The faults in force. Each request takes the first that matches and has hits left."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Fault, int]] = {}
        self._next = 1

    def add(self, fault: Fault) -> int:
        number = self._next
        self._next += 1
        self._entries[number] = (fault, 0)
        return number

    def clear(self, number: int | None = None) -> None:
        if number is None:
            self._entries.clear()
        else:
            self._entries.pop(number, None)

    def hits(self) -> dict[int, int]:
        """How many requests each fault has met, skipped ones included."""
        return {number: hits for number, (_, hits) in self._entries.items()}

    def take(self, method: str, path: str) -> Fault | None:
        for number, (fault, hits) in self._entries.items():
            if not fault.matches(method, path) or (fault.times is not None and hits >= fault.skip + fault.times):
                continue
            self._entries[number] = (fault, hits + 1)
            if hits >= fault.skip:
                return fault
        return None
