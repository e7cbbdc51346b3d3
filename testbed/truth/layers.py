"""From a captured frame to the transport payload inside: link layer, IP, UDP or TCP."""

from typing import NamedTuple

# Values of the LINKTYPE registry (tcpdump.org/linktypes.html).
_ETHERNET, _RAW, _SLL, _IPV4, _IPV6, _SLL2, _NULL, _LOOP = 1, 101, 113, 228, 229, 276, 0, 108
_VLANS = (0x8100, 0x88A8)
_V4, _V6 = 0x0800, 0x86DD
_TCP, _UDP = 6, 17
# IPv6 headers that may stand before TCP or UDP: hop-by-hop, routing, fragment, destination options
_EXTENSIONS = (0, 43, 44, 60)


class Segment(NamedTuple):
    """A UDP datagram (`sequence` None) or a TCP segment; `whole` is False if the frame was cut by a snap length."""

    source: tuple[bytes, int]
    target: tuple[bytes, int]
    payload: memoryview
    whole: bool
    sequence: int | None
    starts: bool  # TCP SYN: sequence numbers begin here


def segment(link: int, data: bytes) -> Segment | None:
    """What a frame carries; None for what is not UDP or TCP, or is a fragment other than the first."""
    found = _network(link, data)
    if found is None:
        return None
    kind, at = found
    packet = memoryview(data)[at:]
    try:
        return _version4(packet) if kind == _V4 else _version6(packet) if kind == _V6 else None
    except IndexError:
        return None  # cut inside a header


def _network(link: int, data: bytes) -> tuple[int, int] | None:
    if link == _ETHERNET:
        at = 12
        while int.from_bytes(data[at : at + 2], "big") in _VLANS:
            at += 4
        return int.from_bytes(data[at : at + 2], "big"), at + 2
    if link == _SLL:
        return int.from_bytes(data[14:16], "big"), 16
    if link == _SLL2:
        return int.from_bytes(data[0:2], "big"), 20
    if link in (_RAW, _IPV4, _IPV6, _NULL, _LOOP):
        at = 4 if link in (_NULL, _LOOP) else 0
        return (_V6 if data[at : at + 1] and data[at] >> 4 == 6 else _V4), at
    return None


def _version4(packet: memoryview) -> Segment | None:
    header = (packet[0] & 0x0F) * 4
    total = int.from_bytes(packet[2:4], "big")
    if int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    # 0: a super-frame beyond 64 KiB, whose length is the frame's (IPv4 BIG TCP)
    end = total or len(packet)
    addresses = bytes(packet[12:16]), bytes(packet[16:20])
    return _transport(packet[9], addresses, packet[header:end], len(packet) >= end)


def _version6(packet: memoryview) -> Segment | None:
    length = int.from_bytes(packet[4:6], "big")
    end = 40 + length if length else len(packet)
    kind, at = packet[6], 40
    while kind in _EXTENSIONS:
        if kind == 44 and int.from_bytes(packet[at + 2 : at + 4], "big") >> 3:
            return None
        kind, at = packet[at], at + (8 if kind == 44 else 8 + packet[at + 1] * 8)
    addresses = bytes(packet[8:24]), bytes(packet[24:40])
    return _transport(kind, addresses, packet[at:end], len(packet) >= end)


def _transport(kind: int, addresses: tuple[bytes, bytes], data: memoryview, whole: bool) -> Segment | None:
    if kind not in (_TCP, _UDP) or len(data) < 8:
        return None
    source = addresses[0], int.from_bytes(data[0:2], "big")
    target = addresses[1], int.from_bytes(data[2:4], "big")
    if kind == _UDP:
        return Segment(source, target, data[8:], whole, None, False)
    sequence = int.from_bytes(data[4:8], "big")
    return Segment(source, target, data[(data[12] >> 4) * 4 :], whole, sequence, bool(data[13] & 2))
