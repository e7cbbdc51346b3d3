"""A TCP proxy before the API server that can freeze: both connections stay open and nothing passes, as when a laptop
changes its network. No rule of any firewall is touched.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import through

_PIECE = 65536
_LOOK = 0.05  # seconds between two looks at whether it is frozen


class Proxy:
    """Listens on a loopback port while its block is entered."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._frozen, self._over = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def freeze(self) -> None:
        """Nothing passes, and nothing is lost: what was sent is held, as by TCP's own retransmission."""
        self._frozen.set()

    def thaw(self) -> None:
        self._frozen.clear()

    def reset(self) -> None:
        """Every connection ends; new ones are welcome."""
        connections, self._connections = self._connections, []
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
            connection.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return  # closed at the end, or the server is gone
            self._connections += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        """An end is held too: on a network that is gone nobody hears that the other side has left."""
        try:
            while True:
                data = source.recv(_PIECE)
                while self._frozen.is_set():
                    if self._over.wait(_LOOK):
                        return
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
        except OSError:
            return  # one side is gone; the other learns it from its own

    def kubeconfig(self, original: Path, folder: Path) -> Path:
        """The same clusters and users through this proxy."""
        return through.kubeconfig(original, self.port, self._target[0], folder / "kubeconfig")
