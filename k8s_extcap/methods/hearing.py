"""What the far side says on stderr, cut into lines and told apart: our guard's words, and everybody else's.

Whoever is in the pod may say anything here, our guard's words too, and as much of it as he likes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from k8s_extcap.methods.guard import MARK

LINE = 4096  # bytes kept of a line
MUCH = 1 << 20  # bytes that may be said at once: a helper's whole list of complaints is some kilobytes
STEADY = 1024  # bytes a second in the long run: a statistics line each five seconds is a fortieth of it

_WORD = re.compile(r"(need|bad|ready|rc=(?P<code>[0-9]{1,3}))(?: (?P<rest>.*))?")


class Word(NamedTuple):
    """Of the guard: `need`, `bad` (with `rest`, a path), `ready`, `rc` (with `code`, an exit status)."""

    kind: str
    rest: str = ""
    code: int = 0


def word(line: str) -> Word | None:
    """The guard's word on this line, None where it is none. What only begins like one is nobody's: `Word("")`."""
    if not line.startswith(MARK):
        return None
    match = _WORD.fullmatch(line.removeprefix(MARK))
    if match is None:
        return Word("")
    if match["code"]:
        return Word("rc", code=int(match["code"]))
    return Word(match[1], match["rest"] or "")


class Lines:
    """Give it what came; it gives the lines that are whole. `heard` counts bytes."""

    def __init__(self) -> None:
        self._rest = b""
        self.heard = 0

    def feed(self, data: bytes) -> list[str]:
        self.heard += len(data)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE]
        return [_text(line) for line in lines]

    def end(self) -> list[str]:
        """The last line, which nothing ended."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []

    def flood(self, seconds: float) -> bool:
        """Whether that was more in so many seconds than any tcpdump says."""
        return self.heard > MUCH + STEADY * seconds


def _text(line: bytes) -> str:
    return line[:LINE].decode("utf-8", "replace").strip()
