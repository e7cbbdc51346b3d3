"""Capture files made by hand, byte for byte, so that their damage is known."""

import struct
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Order = Literal["little", "big"]


class Made(NamedTuple):
    """A frame to write; `original` is its length on the wire where a snap length cut it."""

    data: bytes
    time_ns: int
    original: int | None = None


def _ip4(protocol: int, payload: bytes) -> bytes:
    # checksums stay 0: with offloading that is what captures of a sender show too
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    return head + bytes((192, 0, 2, 1)) + bytes((192, 0, 2, 2)) + payload


def _ip6(protocol: int, payload: bytes) -> bytes:
    addresses = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002")
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + addresses + payload


def udp(message: bytes, *, version: Literal[4, 6] = 4) -> bytes:
    """An IP packet with one datagram."""
    datagram = struct.pack(">HHHH", 40000, 9, 8 + len(message), 0) + message
    return _ip4(17, datagram) if version == 4 else _ip6(17, datagram)


def tcp(sequence: int, payload: bytes, *, syn: bool = False) -> bytes:
    """An IPv4 packet with one segment."""
    flags = 0x5000 | (2 if syn else 0x18)
    head = struct.pack(">HHIIHHHH", 40001, 9, sequence % (1 << 32), 1, flags, 65535, 0, 0)
    return _ip4(6, head + payload)


def framed(link: int, packet: bytes, *, vlan: bool = False) -> bytes:
    """An IP packet in its link layer: 1 Ethernet (tagged if asked), 101 raw, 113 and 276 cooked."""
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    if link == 1:
        return bytes(12) + (b"\x81\x00\x00\x07" if vlan else b"") + kind + packet
    if link == 113:
        return bytes(14) + kind + packet
    if link == 276:
        return kind + bytes(18) + packet
    return packet


def pcap(frames: Iterable[Made], *, link: int = 1, order: Order = "little", nano: bool = False) -> bytes:
    """A pcap file; without `nano` the time stamps lose what is below a microsecond."""
    sign = "<" if order == "little" else ">"
    file = struct.pack(sign + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for frame in frames:
        seconds, rest = divmod(frame.time_ns, 1_000_000_000)
        original = len(frame.data) if frame.original is None else frame.original
        file += struct.pack(sign + "IIII", seconds, rest if nano else rest // 1000, len(frame.data), original)
        file += frame.data
    return file


def _block(sign: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(sign + "I", 12 + len(body))
    return struct.pack(sign + "I", kind) + length + body + length


def pcapng(frames: Iterable[Made], *, link: int = 1, order: Order = "little", resolution: int = 9) -> bytes:
    """A pcapng file: a comment in its header, a block of unknown type, and `resolution` digits behind the second."""
    sign = "<" if order == "little" else ">"
    comment = struct.pack(sign + "HH", 1, 5) + b"forge\0\0\0" + bytes(4)
    file = _block(sign, 0x0A0D0D0A, struct.pack(sign + "IHHq", 0x1A2B3C4D, 1, 0, -1) + comment)
    resolved = struct.pack(sign + "HHB3xI", 9, 1, resolution, 0)
    file += _block(sign, 1, struct.pack(sign + "HHI", link, 0, 0) + resolved)
    file += _block(sign, 0x0BAD, b"skip me")
    for frame in frames:
        units = frame.time_ns * 10**resolution // 1_000_000_000
        original = len(frame.data) if frame.original is None else frame.original
        head = struct.pack(sign + "IIIII", 0, units >> 32, units & 0xFFFFFFFF, len(frame.data), original)
        file += _block(sign, 6, head + frame.data + bytes(-len(frame.data) % 4))
    return file


def statistics(counts: Mapping[int, int], *, comment: str = "", order: Order = "little") -> bytes:
    """An interface statistics block with these options (4 isb_ifrecv ... 8 isb_usrdeliv), to stand behind packets."""
    sign = "<" if order == "little" else ">"
    body = struct.pack(sign + "III", 0, 0, 0)
    if comment:
        text = comment.encode()
        body += struct.pack(sign + "HH", 1, len(text)) + text + bytes(-len(text) % 4)
    for code, count in counts.items():
        body += struct.pack(sign + "HHQ", code, 8, count)
    return _block(sign, 5, body + bytes(4))
