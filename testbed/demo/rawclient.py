"""A client that shares no code with the product: aiohttp, raw answers, raw messages."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import yaml

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
MERGE = "application/strategic-merge-patch+json"
TIMEOUT = 30.0


class Answer(NamedTuple):
    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Exec(NamedTuple):
    """What an exec stream brought, message by message."""

    protocol: str | None
    messages: list[tuple[int, bytes]]
    close_code: int | None

    def output(self, channel: int = STDOUT) -> bytes:
        return b"".join(data for number, data in self.messages if number == channel)

    @property
    def status(self) -> Any:
        return json.loads(self.output(STATUS))


class Client:
    """One user of one cluster, by the kubeconfig's context (empty: the current one)."""

    def __init__(self, kubeconfig: Path, context: str = "", token: str | None = None) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        named = _named(config["contexts"], context or config["current-context"])["context"]
        cluster = _named(config["clusters"], named["cluster"])["cluster"]
        user = _named(config["users"], named["user"])["user"]
        self.url: str = cluster["server"]
        self._ssl = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        self._headers: dict[str, str] = {}
        if token is not None:
            self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        elif "token" in user:
            self._headers = {"Authorization": f"Bearer {user['token']}"}
        else:
            _load_pair(self._ssl, _decoded(user["client-certificate-data"]), _decoded(user["client-key-data"]))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        connector = aiohttp.TCPConnector(ssl=self._ssl)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with aiohttp.ClientSession(
                self.url, connector=connector, headers=self._headers, timeout=timeout
            ) as session:
                yield session
        finally:
            await _settled()

    async def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **headers: str
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": kind, **headers} if data is not None else headers
        async with self.session() as session, session.request(method, path, data=data, headers=sent) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def lines(self, path: str, count: int = 0, until: str = "") -> list[Any]:
        """The events of a watch: the first `count`, or up to one of type `until` that follows a deletion."""
        found: list[Any] = []
        async with self.session() as session, session.get(path) as answer:
            async for line in answer.content:
                found.append(json.loads(line))
                types = [event["type"] for event in found]
                if len(found) == count or (until and types[-1] == until and "DELETED" in types):
                    break
        return found

    async def refused(self, path: str, protocols: str | None) -> Answer:
        """A handshake as a plain request, which shows the whole refusal."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
        }
        if protocols is not None:
            headers["Sec-WebSocket-Protocol"] = protocols
        return await self.ask("GET", path, **headers)

    async def run(
        self,
        path: str,
        *,
        protocols: tuple[str, ...] = (V5, V4),
        stdin: Iterable[bytes] = (),
    ) -> Exec:
        """Send these messages (channel byte included), then read until the server closes."""
        messages: list[tuple[int, bytes]] = []
        async with self.session() as session, session.ws_connect(path, protocols=protocols, max_msg_size=0) as socket:
            for sent in stdin:
                await socket.send_bytes(sent)
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                    raw = message.data if isinstance(message.data, bytes) else message.data.encode()
                    messages.append((raw[0], raw[1:]))
            return Exec(socket.protocol, messages, socket.close_code)


def exec_path(
    namespace: str, pod: str, argv: Iterable[str], container: str = "", streams: str = "stdout stderr"
) -> str:
    query = [f"command={quote(word, safe='')}" for word in argv]
    query += [f"container={quote(container)}"] if container else []
    query += [f"{stream}=true" for stream in streams.split()]
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?" + "&".join(query)


async def _settled() -> None:
    """aiohttp, "Graceful Shutdown": a TLS connection ends some turns of the loop after its session."""
    transports = vars(asyncio.get_running_loop()).get("_transports", {})
    end = asyncio.get_running_loop().time() + 2.0
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.005)
        if all(getattr(transport, "_sock", None) is None for transport in list(transports.values())):
            return


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"] == name)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)
