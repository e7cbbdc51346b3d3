"""What the pods do all day: HTTP, DNS, TLS and IPv6 among each other, small and readable in Wireshark.

Each program is a coroutine that runs for ever inside its container; peers are given by address in the environment.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401  a container has no Python library to import from later
import encodings.ascii
import encodings.idna  # noqa: F401
import itertools
import os
import signal
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from testbed.demo.host import net

HTTP_PORT, TLS_PORT, DNS_PORT = 8080, 8443, 53
# Often enough that a capture of two seconds shows every protocol, seldom enough to cost nothing.
HTTP_EVERY, TLS_EVERY, DNS_EVERY, IPV6_EVERY = 0.2, 1.0, 0.5, 0.5
_TIMEOUT = 2.0

Program = Callable[[Mapping[str, str]], Awaitable[None]]


def server_context(pem: str) -> ssl.SSLContext:
    """`pem` holds certificate and key; it comes by descriptor because a container has no file for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fd = os.memfd_create("pem")
    os.write(fd, pem.encode())
    context.load_cert_chain(f"/proc/self/fd/{fd}")
    os.close(fd)
    return context


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
    try:
        while (request := await reader.readline()).strip():
            while (await reader.readline()).strip():
                pass
            status = "200 OK" if request.startswith((b"GET", b"HEAD")) else "405 Method Not Allowed"
            head = f"HTTP/1.1 {status}\r\nServer: demo\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # a client that went away is no event for a server
    finally:
        writer.close()


async def web(env: Mapping[str, str]) -> None:
    """Serves HTTP, and TLS if it was given a certificate, on IPv4 and IPv6."""
    body = f'{{"served_by":"{env["HOSTNAME"]}","items":["tea","mugs","kettles"]}}\n'.encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(reader, writer, body)

    hosts = ["0.0.0.0", "::"] if net.have_ipv6() else ["0.0.0.0"]
    await asyncio.start_server(serve, hosts, HTTP_PORT)
    if pem := env.get("DEMO_PEM"):
        await asyncio.start_server(serve, hosts, TLS_PORT, ssl=server_context(pem))
    await asyncio.Event().wait()


async def idle(_env: Mapping[str, str]) -> None:
    await asyncio.Event().wait()


async def _get(host: str, path: str, *, tls: bool = False) -> None:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a demo peer with a certificate of its own
    name = "web.shop.svc.cluster.local"
    reader, writer = await asyncio.open_connection(
        host, TLS_PORT if tls else HTTP_PORT, ssl=context, server_hostname=name if tls else None
    )
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: demo-shopper/1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


def dns_query(number: int, name: str, kind: int) -> bytes:
    """A question as RFC 1035 section 4.1 writes it."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


def dns_answer(query: bytes, zone: Mapping[str, str]) -> bytes:
    """The address for a known name, NXDOMAIN for another."""
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += size + 1
    kind = struct.unpack_from(">H", query, at + 1)[0]
    question = query[12 : at + 5]
    address = zone.get(".".join(labels))
    record = b""
    if address is not None and kind == 1:
        record = b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 30, 4) + socket.inet_aton(address)
    flags = 0x8580 if address is not None else 0x8583
    return query[:2] + struct.pack(">5H", flags, 1, 1 if record else 0, 0, 0) + question + record


class _Dns(asyncio.DatagramProtocol):
    def __init__(self, zone: Mapping[str, str]) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and len(data) > 16:
            self._transport.sendto(dns_answer(data, self._zone), addr)


async def dns(env: Mapping[str, str]) -> None:
    zone = dict(entry.split("=", 1) for entry in env.get("DEMO_ZONE", "").split() if "=" in entry)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Dns(zone), local_addr=("0.0.0.0", DNS_PORT))
    await asyncio.Event().wait()


async def _ask(server: str, number: int, name: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (server, DNS_PORT))
        for kind in (1, 28):
            await loop.sock_sendall(sock, dns_query(number, name, kind))
            await loop.sock_recv(sock, 512)


async def _every(seconds: float, act: Callable[[int], Awaitable[None]]) -> None:
    for number in itertools.count(1):
        try:
            await asyncio.wait_for(act(number), _TIMEOUT)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # a peer that is not up yet or is being deleted: the next round tries again
        await asyncio.sleep(seconds)


async def shopper(env: Mapping[str, str]) -> None:
    """A client: HTTP five times a second, DNS, TLS and IPv6 now and then. It serves HTTP as well."""
    peers = itertools.cycle(env["DEMO_PEERS"].split())
    peers6 = itertools.cycle(env["DEMO_PEERS6"].split())
    names = itertools.cycle(
        ["web.shop.svc.cluster.local", "db.shop.svc.cluster.local", "missing.shop.svc.cluster.local"]
    )
    await asyncio.gather(
        _every(HTTP_EVERY, lambda n: _get(next(peers), f"/items?page={n}")),
        _every(TLS_EVERY, lambda _n: _get(next(peers), "/checkout", tls=True)),
        _every(DNS_EVERY, lambda n: _ask(env["DEMO_DNS"], n, next(names))),
        _every(IPV6_EVERY, lambda n: _get(next(peers6), f"/ipv6?n={n}")),
        web(env),
    )


PROGRAMS: dict[str, Program] = {"web": web, "dns": dns, "shopper": shopper, "idle": idle}


def run(program: str, env: Mapping[str, str]) -> None:
    """Never returns."""
    asyncio.run(_main(PROGRAMS[program], env))


async def _main(program: Program, env: Mapping[str, str]) -> None:
    # Process 1 has no default action for SIGTERM: a server that wants to end in time must ask for it.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    await program(env)
