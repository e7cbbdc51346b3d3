"""What a capture did: counters that flow up against the stream, and the sum at its end.

Every packet that the far side saw and that is not in the file is counted where it was lost. What tcpdump counts:
`received` passed its filter, those lost for want of room in its ring included; `dropped` is that loss; `if_dropped`
was lost below it, in the network interface (pcap_stats(3PCAP)).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8s_extcap.model.errors import clip


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one stream, or of several added up. None: tcpdump has not told."""

    packets: int = 0
    bytes: int = 0
    received: int | None = None
    dropped: int | None = None
    if_dropped: int | None = None
    slowed: float = 0.0  # seconds for which the rate ceiling held the stream back
    stalled: float = 0.0  # seconds for which the capture's reader (Wireshark, a pipe, a disk) took nothing
    unread: int = 0  # packets that came meanwhile, more than are kept for it, and were left out

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.packets + other.packets,
            self.bytes + other.bytes,
            _sum(self.received, other.received),
            _sum(self.dropped, other.dropped),
            _sum(self.if_dropped, other.if_dropped),
            self.slowed + other.slowed,
            self.stalled + other.stalled,
            self.unread + other.unread,
        )

    @property
    def lost(self) -> int:
        """Everything that is known to be missing, wherever that was."""
        return (self.dropped or 0) + (self.if_dropped or 0) + self.unread


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other


@dataclass(slots=True)
class Counters:
    """What a spectator sees of a running capture: all its streams so far."""

    sum: Tally = field(default_factory=Tally)
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """`gaps` and `leftover` are sentences: interruptions of the stream, and what could not be undone."""

    sum: Tally
    seconds: float
    ended_by: str
    leftover: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    def warning(self) -> str:
        """What is missing in the file, where it was lost, and what to do; "" where nothing is known to be missing."""
        parts = []
        told = self.sum
        ring, card = told.dropped or 0, told.if_dropped or 0
        if told.lost:
            lost = [f"{ring:,} found no room in tcpdump's buffer"] if ring else []
            lost += [f"{card:,} were dropped by the network interface"] if card else []
            lost += [f"{told.unread:,} came while nobody read the capture"] if told.unread else []
            every = told.lost + told.packets
            parts.append(f"Of {every:,} packets {told.lost:,} are missing in the capture: {', '.join(lost)}.")
            if told.slowed >= 1:
                parts.append(f"The rate ceiling held it back for {told.slowed:.0f} s: raise it (--limit-rate).")
            if told.stalled >= 1:
                parts.append(f"Whoever reads the capture took nothing for {told.stalled:.0f} s.")
            parts.append("A capture filter, a smaller --snaplen or a larger --buffer help.")
        if self.gaps:
            many = f"The stream was interrupted {len(self.gaps)} times; the last: " if len(self.gaps) > 1 else ""
            parts.append(many + self.gaps[-1])
        return clip(" ".join(parts))
