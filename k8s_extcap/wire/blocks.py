"""The blocks around the packets: section, interface, statistics. The one place that imports `pcapng`.

Written little-endian: 4.0 and 4.4 refuse a big-endian section. Every block stays below 262,144 bytes, which 4.0
demands of all of them. Format: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import pcapng.blocks

TEXT_LIMIT = 8000  # bytes of one text option


@dataclass(frozen=True, slots=True)
class Interface:
    """One source in the file: `name` is what Wireshark shows per packet, for people `description`."""

    name: str
    description: str
    filter: str
    link_type: int
    snaplen: int
    digits: int  # of a second's fraction in its timestamps: 6 or 9
    comment: str = ""


def section(application: str, comment: str) -> bytes:
    """The section header. It may be written before anything is known of the packets: interfaces may come late."""
    options: dict[str, Any] = {"shb_userappl": _text(application)}
    if comment:
        options["opt_comment"] = _text(comment)
    return _bytes(pcapng.blocks.SectionHeader(endianness="<", options=options))


def interface(about: Interface) -> bytes:
    """The description of one source, to be written before its first packet."""
    return _bytes(
        _empty().new_member(
            pcapng.blocks.InterfaceDescription,
            link_type=about.link_type,
            snaplen=about.snaplen,
            options=_options(about),
        )
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts of one interface's packets; None where tcpdump told nothing. `written` are those in the file."""

    written: int
    received: int | None = None
    dropped: int | None = None
    if_dropped: int | None = None


def statistics(number: int, began: float, ended: float, sums: Sums, *, digits: int, comment: str = "") -> bytes:
    """Of interface `number`. Times are epoch seconds."""
    told = {
        "isb_ifdrop": sums.if_dropped,
        "isb_filteraccept": sums.received,
        "isb_osdrop": sums.dropped,
        "isb_usrdeliv": sums.written,
    }
    options: dict[str, Any] = {"isb_starttime": _swapped(began, digits), "isb_endtime": _swapped(ended, digits)}
    options |= {name: count for name, count in told.items() if count is not None}
    if comment:
        options["opt_comment"] = _text(comment)
    high, low = _ticks(ended, digits)
    return _bytes(
        _empty().new_member(
            pcapng.blocks.InterfaceStatistics,
            interface_id=number,
            timestamp_high=high,
            timestamp_low=low,
            options=options,
        )
    )


_PACKET = struct.Struct("<II12xI")  # of an enhanced packet block: type, total length, captured length
_FIXED = 28  # bytes of one before its data
_COMMENT, _PACKET_TYPE = 1, 6


def remarked(packets: bytes | memoryview, comment: str) -> bytes:
    """The same enhanced packet blocks with a comment on the first. It must have no options yet, as ours have not."""
    kind, total, captured = _PACKET.unpack_from(packets)
    data = _FIXED + captured + (-captured & 3)
    if kind != _PACKET_TYPE or total != data + 4:
        raise ValueError(f"not a packet block without options: type {kind}, {total} bytes")
    text = _text(comment).encode()
    option = struct.pack("<HH", _COMMENT, len(text)) + text + bytes(-len(text) & 3) + bytes(4)  # opt_endofopt
    length = struct.pack("<I", total + len(option))
    return b"".join((packets[:4], length, packets[8:data], option, length, packets[total:]))


def _empty() -> Any:
    return pcapng.blocks.SectionHeader(endianness="<")


def _bytes(block: Any) -> bytes:
    out = io.BytesIO()
    block._write(out)  # noqa: SLF001 (a FileWriter writes whole sections only)
    return out.getvalue()


def _ticks(seconds: float, digits: int) -> tuple[int, int]:
    ticks = round(seconds * 10**digits)
    return ticks >> 32, ticks & 0xFFFFFFFF


def _swapped(seconds: float, digits: int) -> int:
    """The high half comes first, each half little-endian; the library writes one little-endian 64-bit number."""
    high, low = _ticks(seconds, digits)
    return low << 32 | high


def _options(about: Interface) -> dict[str, Any]:
    options: dict[str, Any] = {
        "if_name": _text(about.name),
        "if_description": _text(about.description),
        "if_tsresol": bytes((about.digits,)),
    }
    if about.filter:
        # The first byte says how the filter is written: 0 is a libpcap expression.
        options["if_filter"] = [(0, _text(about.filter).encode())]  # a bare tuple is taken for two
    if about.comment:
        options["opt_comment"] = _text(about.comment)
    return options


def _text(text: str) -> str:
    """As much as fits, in lines: what a terminal would obey is blanked, since names come from a cluster."""
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text[:TEXT_LIMIT])
    return plain.encode()[:TEXT_LIMIT].decode("utf-8", "ignore")
