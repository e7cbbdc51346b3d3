"""How long a busy stream may gather before it is read again.

A wake-up costs 75 us of CPU on a machine that does other things, as much as a hundred packets, and 230 us on an idle
one: at 28 MB/s a reader that never rests is woken 7,000 times a second by a runtime that hands on 4 KiB at a time.
"""

from __future__ import annotations

from collections.abc import Callable

SHORT = 0.001  # seconds. A small packet of many is late by no more
LONG = 0.016  # the same where so much comes that it saves a third of our CPU; an eye sees 16 ms as one picture
MUCH = 10e6  # bytes per second
SPAN = 0.1  # seconds between two looks at the rate
# Seconds more at each look. By our acknowledgements, of which a read brings one, the sender learns how much may be
# under way: with 16 ms at once it was behind by 150 ms for half a second, so by 50 ms.
STEP = 0.003


class Pace:
    """`brought` after each read; `rest` is then for how long (seconds) the stream may rest, if it is busy.

    `most` bytes are what one read takes. What gathers waits in the socket: `room` is the size of its buffer, which
    systems enlarge as they see it used, and of which a quarter may fill while we rest; more, and the sender waits too.
    """

    def __init__(self, most: int, room: Callable[[], int]) -> None:
        self._most, self._room = most, room
        self._bytes, self._since = 0, 0.0
        self.rest = SHORT

    def brought(self, size: int, now: float) -> None:
        self._bytes += size
        span = now - self._since
        if span < SPAN:
            return
        rate = self._bytes / span
        self._bytes, self._since = 0, now
        if rate < MUCH:
            self.rest = SHORT
        else:
            self.rest = max(SHORT, min(LONG, self.rest + STEP, min(self._room() / 4, self._most * 3 / 4) / rate))
