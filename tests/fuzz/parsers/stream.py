"""The packets: whatever a pod sends as a capture, what we write is one that every reader of pcapng takes.

An input's first byte chooses a mode, the second says how many bytes behind it are cuts; the rest is the stream.
"""

from __future__ import annotations

import struct

from k8s_extcap.wire import blocks
from k8s_extcap.wire.pcap import HEADER, LARGEST, NotCaptureError, Reader
from tests.fuzz.engine import Parser
from tests.fuzz.laws import text

MOST = LARGEST + 131072  # bytes that may wait: one packet, and one read behind it


def _result(data: bytes, cuts: list[int], *, pcapng: bool, interface: int, limit: int) -> tuple[bytes, str, int, int]:
    """What came out, why it ended, packets, bytes."""
    reader = Reader(pcapng=pcapng, interface=interface, limit=limit)
    out, at, why = b"", 0, ""
    try:
        for size in (*cuts, len(data)):
            if reader.full or at >= len(data):
                break
            waiting = reader.push(data[at : at + size + 1])
            assert waiting <= MOST
            at += size + 1
            out += bytes(reader.pull())
        out += bytes(reader.pull())
        reader.end()
    except NotCaptureError as error:
        why = error.text or "?"
        assert why.isprintable()
        assert len(why) <= 200
    return out, why, reader.packets, reader.octets


def _stream(data: bytes) -> None:
    mode, cuts = data[0] if data else 0, list(data[2 : 2 + data[1]]) if len(data) > 1 else []
    body = data[2 + len(cuts) :]
    pcapng, interface, limit = bool(mode & 1), mode >> 1 & 1, 3 if mode & 4 else 0
    whole = _result(body, [], pcapng=pcapng, interface=interface, limit=limit)
    cut = _result(body, cuts, pcapng=pcapng, interface=interface, limit=limit)
    steps = _result(body, [0] * min(len(body), 400), pcapng=pcapng, interface=interface, limit=limit)
    for out, why, packets, octets in (cut, steps):
        assert (out, bool(why), packets, octets) == (whole[0], bool(whole[1]), *whole[2:])
    for out, _, packets, octets in (whole, cut, steps):
        (_blocks if pcapng else _records)(out, packets, octets, interface)


def _blocks(out: bytes, packets: int, octets: int, interface: int) -> None:
    """Whole enhanced packet blocks of our interface, as the draft has them and dumpcap takes them."""
    at = count = size = 0
    while at < len(out):
        kind, total, number, _high, _low, captured, _original = struct.unpack_from("<7I", out, at)
        assert (kind, number) == (6, interface)
        assert captured <= LARGEST
        assert total == 32 + captured + (-captured & 3)
        assert total <= 262144, "dumpcap refuses longer blocks"
        assert struct.unpack_from("<I", out, at + total - 4) == (total,)
        at, count, size = at + total, count + 1, size + captured
    assert at == len(out)
    assert (count, size) == (packets, octets)


def _records(out: bytes, packets: int, octets: int, _interface: int) -> None:
    if not out:
        return
    order = "<" if out[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, count, size = HEADER, 0, 0
    while at < len(out):
        (captured,) = struct.unpack_from(order + "I", out, at + 8)
        assert captured <= LARGEST
        at, count, size = at + 16 + captured, count + 1, size + captured
    assert at == len(out)
    assert (count, size) == (packets, octets)


def _described(data: bytes) -> None:
    """Names from a cluster and words from a pod in the blocks around the packets."""
    said = text(data)
    about = blocks.Interface(said, said, said, 1, 262144, 6, said)
    for block in (blocks.section(said, said), blocks.interface(about)):
        kind, total = struct.unpack_from("<II", block)
        assert kind in (0x0A0D0D0A, 1)
        assert total == len(block) <= 262144
        assert struct.unpack_from("<I", block, total - 4) == (total,)
        for value in _options(block, 28 if kind == 0x0A0D0D0A else 16):
            for line in value.decode().split("\n"):
                assert line.isprintable(), ascii(line)


def _options(block: bytes, at: int) -> list[bytes]:
    """The values of text options (comments and names) of a block."""
    found = []
    while at < len(block) - 4:
        code, size = struct.unpack_from("<HH", block, at)
        if code in (1, 2, 3, 4):
            found.append(block[at + 4 : at + 4 + size])
        at += 4 + size + (-size & 3)
    return found


def header(order: str = "<", magic: int = 0xA1B2C3D4) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 1)


def record(data: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "IIII", 1, 2, len(data), len(data)) + data


def block(data: bytes, number: int = 0) -> bytes:
    pad = -len(data) & 3
    total = 32 + len(data) + pad
    return (
        struct.pack("<7I", 6, total, number, 1, 2, len(data), len(data)) + data + bytes(pad) + struct.pack("<I", total)
    )


_ABC = record(b"abc") + record(b"defgh") * 3
PARSERS = (
    Parser("records", _stream, (
        b"\x01\x02\x08\x30" + header() + _ABC, b"\x00\x02\x20\x05" + header() + _ABC,
        b"\x03\x01\x40" + header(">") + record(b"abc", ">") * 4, b"\x05\x00" + header("<", 0xA1B23C4D) + _ABC,
        b"\x01\x01\xf0" + header() + record(bytes(LARGEST - 32)),
        b"\x01\x00" + header() + record(bytes(LARGEST + 4)), b"\x01\x00" + header() + record(bytes(LARGEST - 4))),
        (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", header(), record(b"x" * 5), b"\xff\xff\xff\xff"), 0.3),
    Parser("blocks", _stream, (
        b"\x01\x02\x18\x20" + header() + block(b"abc") * 3, b"\x03\x00" + header() + block(b"abcd") * 3,
        b"\x05\x00" + header() + block(b"") * 5, b"\x01\x00" + header() + block(b"abc", 7) + block(b"d"),
        b"\x01\x00" + header() + block(bytes(LARGEST)), b"\x01\x00" + header() + block(b"abc")[:-4] + b"\0\0\0\0"),
        (block(b"x"), b"\x06\0\0\0", b"\x05\0\0\0", b"\xff\xff\xff\xff", struct.pack("<II", 6, 36)), 0.3),
    Parser("around", _described, (b"pod shop/web-1 eth0", b"\x1b]0;x\x07", "é𝄞".encode()), (b"\n", b"\x9b"), 0.05),
)  # fmt: skip
