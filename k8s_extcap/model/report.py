"""What a capture did: counters that flow up against the stream, and the sum at its end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Running counts of one source. `dropped` and `received` are tcpdump's own words (its kernel ring)."""

    packets: int = 0
    bytes: int = 0
    received: int | None = None
    dropped: int | None = None
    if_dropped: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`lost_in_ring` None: tcpdump's statistics never arrived, so nothing is known about loss."""

    packets: int
    bytes: int
    seconds: float
    lost_in_ring: int | None
    ended_by: str
    leftover: tuple[str, ...] = ()
