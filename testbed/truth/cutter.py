"""A TCP relay that cuts every connection on which nothing moved for some seconds, as impatient balancers do."""

from __future__ import annotations

import select
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import through

_PIECE = 1 << 18
_LOOK = 0.2  # seconds between two looks at the clock


class Cutter:
    """Listens on a loopback port while its block is entered. `cuts` counts the connections that were idle too long;
    `longest` is the longest silence, in seconds, that a connection survived.
    """

    def __init__(self, host: str, port: int, idle: float) -> None:
        self._target, self._idle = (host, port), idle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self.cuts = 0
        self.longest = 0.0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            if not select.select([self._listener], [], [], _LOOK)[0]:
                continue
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return  # closed at the end, or the server is gone
            self._start(self._relay, client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        moved = time.monotonic()
        other = {client: server, server: client}
        with client, server:
            while not self._over.is_set():
                ready = select.select([client, server], [], [], _LOOK)[0]
                silent = time.monotonic() - moved
                if silent > self._idle:
                    self.cuts += 1
                    return
                if not ready:
                    continue
                self.longest = max(self.longest, silent)
                moved = time.monotonic()
                try:
                    for source in ready:
                        data = source.recv(_PIECE)
                        if not data:
                            return
                        other[source].sendall(data)
                except OSError:
                    return  # one side is gone; the other learns it from the close

    def kubeconfig(self, original: Path, folder: Path) -> Path:
        """The same clusters and users through this relay."""
        return through.kubeconfig(original, self.port, self._target[0], folder / "kubeconfig-cutter")
