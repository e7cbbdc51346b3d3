"""From the exec stream to the sink: whole records, back-pressure, limits and the rate ceiling."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from k8s_extcap.edge.fifo import Sink
from k8s_extcap.model.request import Limits
from k8s_extcap.wire.pcap import Header, NotCaptureError, Reader

_log = logging.getLogger(__name__)

HOLD = 0.3  # seconds that a header without packets is held: a tcpdump that fails prints one first, and ends at once
LEFT = 48 << 20  # bytes that a capture's end reads without a ceiling: a ring of 16 MiB, and 13-23 MB that sockets hold
BURST = 1.0  # seconds of the rate ceiling that may come at once
HEAP = 8 << 20  # bytes; our largest pieces are a tenth. Untouched, so it costs no memory
# A connection of which nothing is read carries no signs of life either: the kubelet's side answers pings in the order
# of its packets, and reads nothing while it cannot. So a little is read: one read a second, 1 MiB at most. A quarter of
# it each second was enough too, the same each four seconds was not.
SIP = 1.0
KEPT = 4 << 20  # bytes that wait for a reader that stands still: memory stays flat. More is counted and left out
TOLD = 1.0  # seconds of a reader's standing still that the log speaks of


class _Watch:
    """Adds up the time between each `start` and `stop`."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._since: float | None = None
        self.started = False  # ever

    def start(self) -> None:
        self.started = True
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> float:
        """How long this time; 0 where it was not running."""
        took, self._since = self.lasts(), None
        self._sum += took
        return took

    def lasts(self) -> float:
        """How long it has been running, 0 where it is not."""
        return time.monotonic() - self._since if self._since is not None else 0.0

    def seconds(self) -> float:
        return self._sum + self.lasts()


class Valve(Protocol):
    """The source's tap: an exec stream."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Pump:
    """Takes stdout as it comes, writes whole records. Paused while the sink is full or the rate ceiling is reached;
    the loop itself never blocks, so that signs of life go on.

    `on_header(header) -> bytes` gives what stands before the first packet of this source, `on_first` may change the
    first bytes that hold packets, or, of a pcap output, its file header. `on_full` is called once when a limit is
    reached.
    """

    def __init__(
        self,
        sink: Sink,
        limits: Limits,
        *,
        pcapng: bool,
        interface: int | Callable[[Header], int],
        on_header: Callable[[Header], bytes],
        on_full: Callable[[], None],
        on_first: Callable[[bytes | memoryview], bytes | memoryview] | None = None,
    ) -> None:
        self._sink = sink
        self._rate = limits.rate
        self.reader = Reader(pcapng=pcapng, interface=interface, limit=limits.packets, octets=limits.bytes)
        self._on_header = on_header
        self._on_full = on_full
        self._on_first = on_first
        self._held: bytes | None = None  # what stands before the first packet, not yet written
        self._holding: asyncio.TimerHandle | None = None
        self._started = False
        self._reported_full = False
        self._credit = float(limits.rate) * BURST
        self._stamp = time.monotonic()
        self._left = 0  # bytes that may still come without a ceiling
        self._timer: asyncio.TimerHandle | None = None
        self._ceiling, self._stopped = _Watch(), _Watch()
        self._sip: asyncio.TimerHandle | None = None
        self.unread = self._unread_octets = 0
        self.valve: Valve | None = None
        self.released = False  # what stands before the packets has been written
        # Made and freed, untouched: from then on glibc keeps smaller pieces instead of giving each back to the kernel.
        # Conversion had 7,000 page faults a second, a fifth of its CPU.
        bytes(HEAP)

    @property
    def written(self) -> tuple[int, int]:
        """Packets and their octets that the sink has been given; `unread` packets more have come."""
        return self.reader.packets - self.unread, self.reader.octets - self._unread_octets

    @property
    def slowed(self) -> float:
        """Seconds for which the rate ceiling has held the stream back. What finds no room meanwhile, tcpdump drops
        and counts.
        """
        return self._ceiling.seconds()

    @property
    def stalled(self) -> float:
        """Seconds for which the reader of the sink has."""
        return self._stopped.seconds()

    def take(self, data: memoryview) -> None:
        """What one read brought: written now, as far as it is whole."""
        if self._reported_full:
            return
        if self._sink.pending >= KEPT and self.released:
            self._leave_out(data)
        elif self._started and self._held is None and self._on_first is None:
            written = 0
            for piece in self.reader.take(data):
                written += len(piece)
                self._sink.put(piece)
            self._after(written)
        else:
            self.reader.push(data)
            self._convert()

    def _leave_out(self, data: memoryview) -> None:
        """What the sink has no room for: whole packets, counted."""
        packets, octets = self.reader.packets, self.reader.octets
        read = sum(map(len, self.reader.take(data)))
        self.unread += self.reader.packets - packets
        self._unread_octets += self.reader.octets - octets
        self._after(read)

    def _convert(self) -> None:
        out = self.reader.pull()
        if self._on_first is not None and out:
            out, self._on_first = self._on_first(out), None
        header = self.reader.header
        if header is not None and not self._started:
            self._started = True
            self._held = self._on_header(header)
            if self.reader.packets == 0:
                self._held += bytes(out)
                self._holding = asyncio.get_running_loop().call_later(HOLD, self.release)
                return
        if self._held is not None and out:
            self.release()
        self._sink.put(out)
        self._after(len(out))

    def _after(self, written: int) -> None:
        if self.reader.full:
            self._reported_full = True
            self._on_full()
        self._brake(written)
        if self.reader.damage:
            raise NotCaptureError(self.reader.damage)

    def release(self) -> None:
        """Writes what was held: this is a capture, even if no packet has come yet."""
        if self._holding:
            self._holding.cancel()
            self._holding = None
        if self._held is not None:
            self.released = True
            held, self._held = self._held, None
            self._sink.put(held)

    def _brake(self, written: int) -> None:
        if self._sink.pending:
            self._stopped.start()
            self._pause()
            if self._sip is None:
                self._sip = asyncio.get_running_loop().call_later(SIP, self._take_sip)
        if not self._rate:
            return
        now = time.monotonic()
        free = min(self._left, written)
        self._left -= free
        written -= free
        self._credit = min(self._rate * BURST, self._credit + (now - self._stamp) * self._rate) - written
        self._stamp = now
        if self._credit < 0 and self._timer is None:
            if not self._ceiling.started:
                _log.warning("the rate ceiling of %d bytes a second holds the stream back", self._rate)
            self._ceiling.start()
            self._pause()
            self._timer = asyncio.get_running_loop().call_later(-self._credit / self._rate, self._rate_over)

    def _take_sip(self) -> None:
        """One read of a stream whose reader stands still: it pauses again when the read is done."""
        self._sip = None
        if not self._sink.pending:
            return
        if self._timer is None and self._stopped.lasts() >= SIP and self.valve:
            self.valve.resume()
        else:
            self._sip = asyncio.get_running_loop().call_later(SIP, self._take_sip)

    def _pause(self) -> None:
        if self.valve:
            self.valve.pause()

    def _rate_over(self) -> None:
        self._timer = None
        self._ceiling.stop()
        self.resume()

    def resume(self) -> None:
        """The sink has room again, or the ceiling's pause is over: goes on when neither holds."""
        if not self._sink.pending:
            stood = self._stopped.stop()
            if stood >= TOLD:
                _log.info("the capture's reader stood still for %.1f s", stood)
            if self._timer is None and self.valve:
                self.valve.resume()

    def free(self) -> None:
        """The capture ends: what the far side still holds is read at once; a flood still has its ceiling."""
        self._left, self._credit = LEFT, self._rate * BURST
        if self._timer:
            self._timer.cancel()
            self._rate_over()
        else:
            self.resume()

    def close(self) -> None:
        """No timer of ours may fire any more."""
        for timer in (self._timer, self._holding, self._sip):
            if timer:
                timer.cancel()
        self._timer = self._holding = self._sip = None
        self._ceiling.stop()
        self._stopped.stop()

    def finish(self) -> None:
        """The stream is over: hands on what is whole. NotCaptureError if it never was a capture."""
        if not self._reported_full:
            self._convert()
        self.reader.end()
