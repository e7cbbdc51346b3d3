"""Ethernet frames that look like the demo pods' own traffic: HTTP, DNS, TLS and IPv6, with right checksums."""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import NamedTuple

_CLIENT_MAC, _SERVER_MAC = bytes.fromhex("02420a58000f"), bytes.fromhex("02420a58000c")
_SYN, _ACK, _PUSH, _FIN = 0x02, 0x10, 0x08, 0x01
_HTTP, _TLS, _DNS = 8080, 8443, 53


class Frame(NamedTuple):
    """`after`: seconds since the frame before it."""

    after: float
    data: bytes


class Ends(NamedTuple):
    """Client and server, both of one address family."""

    client: str
    server: str

    @property
    def ipv6(self) -> bool:
        return ":" in self.client


IPV4, IPV6 = Ends("10.88.0.15", "10.88.0.12"), Ends("fd00:88::f", "fd00:88::c")
_RESOLVER = Ends("10.88.0.15", "10.88.0.10")


def _sum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packet(ends: Ends, protocol: int, segment: bytes, *, back: bool) -> bytes:
    source, target = (ends.server, ends.client) if back else (ends.client, ends.server)
    macs = _CLIENT_MAC + _SERVER_MAC if back else _SERVER_MAC + _CLIENT_MAC
    if ends.ipv6:
        addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
        head = struct.pack(">IHBB", 0x60000000, len(segment), protocol, 64) + addresses
        return macs + b"\x86\xdd" + head + segment
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, protocol, 0) + addresses
    head = head[:10] + struct.pack(">H", _sum(head)) + head[12:]
    return macs + b"\x08\x00" + head + segment


def _with_checksum(ends: Ends, protocol: int, segment: bytes, at: int) -> bytes:
    family = socket.AF_INET6 if ends.ipv6 else socket.AF_INET
    # The sum is the same in both directions, as addition does not care about order.
    pseudo = socket.inet_pton(family, ends.client) + socket.inet_pton(family, ends.server)
    pseudo += struct.pack(">II", len(segment), protocol)
    return segment[:at] + struct.pack(">H", _sum(pseudo + segment)) + segment[at + 2 :]


class _Tcp:
    """One connection: keeps the sequence numbers."""

    def __init__(self, ends: Ends, client_port: int, server_port: int) -> None:
        self._ends = ends
        self._ports = client_port, server_port
        self._sequence = [client_port * 7919, client_port * 104729]

    def _send(self, flags: int, payload: bytes = b"", *, back: bool) -> bytes:
        mine, theirs = self._sequence[back], self._sequence[not back]
        ports = self._ports[::-1] if back else self._ports
        acknowledged = theirs if flags & _ACK else 0
        segment = struct.pack(">HHIIBBHHH", *ports, mine, acknowledged, 5 << 4, flags, 64240, 0, 0) + payload
        self._sequence[back] = (mine + len(payload) + bool(flags & (_SYN | _FIN))) & 0xFFFFFFFF
        return _packet(self._ends, 6, _with_checksum(self._ends, 6, segment, 16), back=back)

    def open(self) -> list[bytes]:
        return [
            self._send(_SYN, back=False),
            self._send(_SYN | _ACK, back=True),
            self._send(_ACK, back=False),
        ]

    def say(self, payload: bytes, *, back: bool) -> list[bytes]:
        return [self._send(_PUSH | _ACK, payload, back=back), self._send(_ACK, back=not back)]

    def close(self) -> list[bytes]:
        return [
            self._send(_FIN | _ACK, back=False),
            self._send(_FIN | _ACK, back=True),
            self._send(_ACK, back=False),
        ]


def http(ends: Ends, port: int, path: str) -> list[bytes]:
    """A request and its answer: ten packets."""
    tcp = _Tcp(ends, port, _HTTP)
    body = b'{"served_by":"replay","items":["tea","mugs","kettles"]}\n'
    answer = b"HTTP/1.1 200 OK\r\nServer: demo-replay\r\nContent-Type: application/json\r\n"
    answer += f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    request = f"GET {path} HTTP/1.1\r\nHost: web.shop.svc.cluster.local\r\nUser-Agent: demo-replay/1\r\n\r\n".encode()
    return [*tcp.open(), *tcp.say(request, back=False), *tcp.say(answer, back=True), *tcp.close()]


def tls(ends: Ends, port: int) -> list[bytes]:
    """A whole handshake with real records, made by two ends in memory; without certificates, hence AECDH."""
    tcp = _Tcp(ends, port, _TLS)
    frames = tcp.open()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _context(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        to_client, to_server, server_hostname="web.shop.svc.cluster.local"
    )
    server = _context(ssl.PROTOCOL_TLS_SERVER).wrap_bio(to_server, to_client, server_side=True)
    done = False
    while not done:
        done = _step(client)
        if data := to_server.read():
            frames += tcp.say(data, back=False)
            to_server.write(data)
        done = _step(server) and done
        if data := to_client.read():
            frames += tcp.say(data, back=True)
            to_client.write(data)
    return frames + tcp.close()


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    return context


def _step(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def dns(number: int, name: str, address: str) -> list[bytes]:
    """A question for an address and its answer."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0\0\1\0\1"
    port = 40000 + number % 20000
    question = struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels
    record = b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 30, 4) + socket.inet_aton(address)
    answer = struct.pack(">6H", number & 0xFFFF, 0x8580, 1, 1, 0, 0) + labels + record
    return [_udp(question, port, _DNS, back=False), _udp(answer, _DNS, port, back=True)]


def _udp(payload: bytes, source: int, target: int, *, back: bool) -> bytes:
    segment = struct.pack(">4H", source, target, 8 + len(payload), 0) + payload
    return _packet(_RESOLVER, 17, _with_checksum(_RESOLVER, 17, segment, 6), back=back)


def endless() -> Iterator[Frame]:
    """As the live pods: HTTP five times a second, now and then the others. 0.2 ms between the packets of one act."""
    for number in itertools.count(1):
        port = 32768 + number % 28000
        acts = [http(IPV4, port, f"/items?page={number}")]
        if number % 3 == 0:
            acts.append(dns(number, "web.shop.svc.cluster.local", IPV4.server))
        if number % 3 == 1:
            acts.append(http(IPV6, port, f"/ipv6?n={number}"))
        if number % 5 == 2:
            acts.append(tls(IPV4, port + 1))
        frames = list(itertools.chain.from_iterable(acts))
        for position, data in enumerate(frames):
            yield Frame(0.0002 if position else 0.2, data)
