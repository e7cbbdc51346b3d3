"""The freezing proxy, between real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed.matrix.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo) as made:
        yield made


def client(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def test_it_passes_and_tells_both_sides_of_an_end(proxy: Proxy) -> None:
    with client(proxy) as one:
        one.sendall(b"hello")
        assert one.recv(100) == b"hello"
        one.shutdown(socket.SHUT_WR)
        assert one.recv(100) == b""


def test_frozen_nothing_passes_and_afterwards_nothing_is_missing(proxy: Proxy) -> None:
    with client(proxy) as one:
        one.sendall(b"before")
        assert one.recv(100) == b"before"
        proxy.freeze()
        one.sendall(b"during")
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.recv(100)
        proxy.thaw()
        one.settimeout(10)
        assert one.recv(100) == b"during"


def test_frozen_an_end_is_not_heard_either(proxy: Proxy) -> None:
    with client(proxy) as one:
        one.sendall(b"x")
        assert one.recv(100) == b"x"
        proxy.freeze()
        one.shutdown(socket.SHUT_WR)
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.recv(100)
        proxy.thaw()
        one.settimeout(10)
        assert one.recv(100) == b""


def test_a_reset_ends_what_is_open_and_takes_new_ones(proxy: Proxy) -> None:
    with client(proxy) as one:
        one.sendall(b"x")
        assert one.recv(100) == b"x"
        proxy.reset()
        try:
            assert one.recv(100) == b""
        except ConnectionResetError:
            pass  # the other way of saying so
    with client(proxy) as two:
        two.sendall(b"y")
        assert two.recv(100) == b"y"


def test_the_kubeconfig_leads_through_it_and_still_names_the_server(proxy: Proxy, tmp_path: Path) -> None:
    original = tmp_path / "original"
    given = {"clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", "x": "y"}}], "users": ["u"]}
    original.write_text(yaml.safe_dump(given))
    made = yaml.safe_load(proxy.kubeconfig(original, tmp_path).read_text())
    assert made["users"] == ["u"]
    assert made["clusters"][0]["cluster"] == {
        "server": f"https://127.0.0.1:{proxy.port}",
        "tls-server-name": "127.0.0.1",
        "x": "y",
    }
