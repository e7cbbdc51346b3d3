"""Reader of capture files and live streams (pcap, pcapng), sharing nothing with the product.

pcap: draft-ietf-opsawg-pcap. pcapng: draft-ietf-opsawg-pcapng.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PCAP_MAGICS = {  # first four bytes: (byte order, nanoseconds per unit of the fraction)
    b"\xd4\xc3\xb2\xa1": ("little", 1000),
    b"\xa1\xb2\xc3\xd4": ("big", 1000),
    b"\x4d\x3c\xb2\xa1": ("little", 1),
    b"\xa1\xb2\x3c\x4d": ("big", 1),
}
_SECTION, _INTERFACE, _SIMPLE, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 3, 5, 6
_SECTION_BYTES = b"\x0a\x0d\x0d\x0a"
_TSRESOL, _TSOFFSET = 9, 14
_COMMENT, _NAME = 1, 2
_RECEIVED, _DELIVERED = 4, 8  # and between: interface drops, accepted by the filter, the kernel's drops
_FIXED = {_SECTION: 12, _INTERFACE: 8}  # bytes before the options; a section's byte order has been read already
_LONGEST = 16 << 20  # no record of a sane file is longer; a damaged length must not make us wait for gigabytes


class Chunk(NamedTuple):
    """Bytes of the stream, and when they were read (CLOCK_REALTIME ns; None for a file)."""

    data: bytes
    arrived_ns: int | None = None


class Frame(NamedTuple):
    """One captured frame. `time_ns` is the capture's own time stamp; `arrived_ns` when its last byte was read."""

    time_ns: int
    link: int
    data: bytes
    original: int
    arrived_ns: int | None
    interface: int = 0


class Told(NamedTuple):
    """An interface statistics block: isb_ifrecv, isb_ifdrop, isb_filteraccept, isb_osdrop, isb_usrdeliv and comments.
    What is not there is None.
    """

    received: int | None
    if_dropped: int | None
    accepted: int | None
    os_dropped: int | None
    delivered: int | None
    comments: tuple[str, ...]


class Notes:
    """What a pcapng says of itself beside its packets, filled while its frames are read.

    `told` has the last statistics of each interface: their counts run from its beginning, so a later block replaces
    an earlier one. Interfaces are counted through the whole file, sections included.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.comments: list[str] = []
        self.told: dict[int, Told] = {}


class NotACaptureError(Exception):
    """The bytes are no pcap or pcapng, or stop being one; the sentence says where."""


class _Source:
    """Exact reads over chunks; `arrived_ns` belongs to the last byte that was handed out."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._buffer = bytearray()
        self._at = 0
        self.position = 0
        self.arrived_ns: int | None = None

    def take(self, count: int, *, may_end: bool = False) -> bytes:
        while len(self._buffer) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                if may_end and len(self._buffer) == self._at:
                    return b""
                left = len(self._buffer) - self._at
                raise NotACaptureError(f"the stream ends inside a record, {left} of {count} bytes at {self.position}")
            del self._buffer[: self._at]
            self._at = 0
            self._buffer += chunk.data
            self.arrived_ns = chunk.arrived_ns
        taken = bytes(self._buffer[self._at : self._at + count])
        self._at += count
        self.position += count
        return taken


def frames(chunks: Iterable[Chunk], notes: Notes | None = None) -> Iterator[Frame]:
    """Each frame of a capture in the order of the stream; an empty stream has none. `notes` is filled meanwhile."""
    source = _Source(chunks)
    magic = source.take(4, may_end=True)
    if not magic:
        return
    if magic in _PCAP_MAGICS:
        yield from _pcap(source, *_PCAP_MAGICS[magic])
    elif magic == _SECTION_BYTES:
        yield from _pcapng(source, notes or Notes())
    else:
        raise NotACaptureError(f"the stream begins with {magic!r}, which is neither pcap nor pcapng")


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "little" else "big")


def _pcap(source: _Source, order: str, unit_ns: int) -> Iterator[Frame]:
    header = source.take(20)
    link = _number(header[16:20], order) & 0xFFFF  # above: FCS length
    while head := source.take(16, may_end=True):
        seconds, fraction, stored, original = (_number(head[at : at + 4], order) for at in (0, 4, 8, 12))
        if stored > _LONGEST or fraction * unit_ns >= 1_000_000_000:
            raise NotACaptureError(f"no packet header at {source.position - 16}: {head.hex()}")
        data = source.take(stored)
        yield Frame(seconds * 1_000_000_000 + fraction * unit_ns, link, data, original, source.arrived_ns)


class _Interface(NamedTuple):
    link: int
    snap: int
    units: int  # per second
    offset: int  # seconds


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = _number(data[at : at + 2], order), _number(data[at + 2 : at + 4], order)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4


def _described(body: bytes, order: str) -> _Interface:
    units, offset = 1_000_000, 0
    for code, value in _options(body[8:], order):
        if code == _TSRESOL:
            units = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _TSOFFSET:
            offset = _number(value, order)
    return _Interface(_number(body[:2], order), _number(body[4:8], order), units, offset)


def _told(body: bytes, order: str) -> Told:
    counts: dict[int, int] = {}
    comments = []
    for code, value in _options(body[12:], order):
        if code == _COMMENT:
            comments.append(value.decode("utf-8", "replace"))
        elif _RECEIVED <= code <= _DELIVERED:
            counts[code] = _number(value, order)
    first, second, third, fourth, fifth = map(counts.get, range(_RECEIVED, _DELIVERED + 1))
    return Told(first, second, third, fourth, fifth, tuple(comments))


def _note(kind: int, body: bytes, order: str, base: int, notes: Notes) -> None:
    """A block that is no packet. `base`: interfaces of the sections before."""
    if kind == _STATISTICS:
        notes.told[base + _number(body[:4], order)] = _told(body, order)
    if kind not in _FIXED:
        return  # a kind that nobody asked about: the format says to skip it
    found = list(_options(body[_FIXED[kind] :], order))
    notes.comments += [value.decode("utf-8", "replace") for code, value in found if code == _COMMENT]
    if kind == _INTERFACE:
        notes.names.append(next((v.decode("utf-8", "replace") for code, v in found if code == _NAME), ""))


def _pcapng(source: _Source, notes: Notes) -> Iterator[Frame]:
    order = ""
    base = 0
    interfaces: list[_Interface] = []
    kind_bytes = _SECTION_BYTES
    while kind_bytes:
        length_bytes = source.take(4)
        if kind_bytes == _SECTION_BYTES:
            byte_order = source.take(4)
            order = {b"\x4d\x3c\x2b\x1a": "little", b"\x1a\x2b\x3c\x4d": "big"}.get(byte_order, "")
            if not order:
                raise NotACaptureError(f"no byte-order magic at {source.position - 4}: {byte_order!r}")
            base += len(interfaces)
            interfaces = []
            body = source.take(_checked(length_bytes, order, source, least=28) - 16)
        else:
            body = source.take(_checked(length_bytes, order, source, least=12) - 12)
        if source.take(4) != length_bytes:
            raise NotACaptureError(f"the block that ends at {source.position} has two lengths")
        kind = _number(kind_bytes, order)
        if kind == _INTERFACE:
            interfaces.append(_described(body, order))
        if kind in (_ENHANCED, _SIMPLE):
            yield _packet(kind, body, order, interfaces, source)
        else:
            _note(kind, body, order, base, notes)
        kind_bytes = source.take(4, may_end=True)


def _checked(length_bytes: bytes, order: str, source: _Source, *, least: int) -> int:
    length = _number(length_bytes, order)
    if length < least or length % 4 or length > _LONGEST:
        raise NotACaptureError(f"a block of {length} bytes at {source.position - 8} cannot be")
    return length


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], source: _Source) -> Frame:
    fields = [_number(body[at : at + 4], order) for at in range(0, 20 if kind == _ENHANCED else 4, 4)]
    index = fields[0] if kind == _ENHANCED else 0
    if index >= len(interfaces):
        raise NotACaptureError(f"the packet before {source.position} is of interface {index}, which is not described")
    interface = interfaces[index]
    if kind == _SIMPLE:
        stored = min(fields[0], interface.snap or fields[0])
        return Frame(0, interface.link, body[4 : 4 + stored], fields[0], source.arrived_ns, index)
    _, high, low, stored, original = fields
    if stored > len(body) - 20:
        raise NotACaptureError(f"the packet before {source.position} claims {stored} bytes in a smaller block")
    time_ns = (high << 32 | low) * 1_000_000_000 // interface.units + interface.offset * 1_000_000_000
    return Frame(time_ns, interface.link, body[20 : 20 + stored], original, source.arrived_ns, index)
