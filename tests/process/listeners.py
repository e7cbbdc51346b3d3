"""Who may stand before an API server: a gateway that prints what it gets, a proxy that wants a password."""

from __future__ import annotations

import base64
import socket
import threading

PASSWORD = "pass-canary-7Yq2"


class Echo(threading.Thread):
    """Answers every request with the request: as debugging gateways do, and as somebody would who wants a token in
    a log that more people read than kubeconfigs.
    """

    def __init__(self, status: int) -> None:
        super().__init__(daemon=True)
        self._status = status
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked = 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self.asked += 1
                request = client.recv(65536)
                body = b"you said: " + request[request.find(b"Authorization") :]
                head = f"HTTP/1.1 {self._status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                client.sendall(head.encode() + body)

    def close(self) -> None:
        self._socket.close()


class Proxy(threading.Thread):
    """CONNECT, for those who know the password."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://me:{PASSWORD}@127.0.0.1:{self._socket.getsockname()[1]}"
        self.refused = self.passed = 0
        self._open = [self._socket]
        self.start()

    def run(self) -> None:
        wanted = base64.b64encode(f"me:{PASSWORD}".encode())
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(client)
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            if wanted not in head:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                client.close()
                continue
            self.passed += 1
            host, _, port = head.split()[1].decode().rpartition(":")
            far = socket.create_connection((host, int(port)))
            self._open.append(far)
            client.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
            for one, other in ((client, far), (far, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def close(self) -> None:
        for each in self._open:
            each.close()

    @staticmethod
    def _pass(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other direction has ended it
