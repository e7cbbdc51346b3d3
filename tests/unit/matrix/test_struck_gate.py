"""The gate, between a real TLS client and a real TLS server: it stops a request where it is told to."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.cluster import pki
from testbed.matrix.gate import Call, Gate
from testbed.wait import until

POST = Call("POST", r"/things$")


class Server(http.server.ThreadingHTTPServer):
    """Remembers what reached it."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.met: list[str] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.answer(chunked=True)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(chunked=False)

    def answer(self, *, chunked: bool) -> None:
        self.server.met.append(f"{self.command} {self.path}")
        self.send_response(200)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"done")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pki")
    pki.Authority(place).server("apiserver", ("localhost",), ("127.0.0.1",))
    return place


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join(5)
    made.server_close()


@pytest.fixture
def gate(server: Server, folder: Path) -> Iterator[Gate]:
    with Gate("127.0.0.1", server.server_address[1], folder) as made:
        yield made


@pytest.fixture
def connect(gate: Gate, folder: Path) -> Iterator[Callable[[], http.client.HTTPSConnection]]:
    made: list[http.client.HTTPSConnection] = []

    def connection() -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        made.append(http.client.HTTPSConnection("127.0.0.1", gate.port, timeout=20, context=context))
        return made[-1]

    yield connection
    for one in made:
        one.close()


Connect = Callable[[], http.client.HTTPSConnection]


def ask(one: http.client.HTTPSConnection, verb: str, path: str) -> bytes:
    one.request(verb, path, body=b"x" if verb == "POST" else None)
    return one.getresponse().read()


def test_requests_and_answers_of_both_kinds_pass_on_one_connection(server: Server, connect: Connect) -> None:
    one = connect()
    assert [ask(one, "GET", "/a"), ask(one, "POST", "/things"), ask(one, "GET", "/b")] == [
        b"hello world",
        b"done",
        b"hello world",
    ]
    assert server.met == ["GET /a", "POST /things", "GET /b"]


def test_held_before_the_call_the_server_does_not_know_of_it_until_it_is_released(
    gate: Gate, server: Server, connect: Connect
) -> None:
    held = gate.hold(POST, "before the call")
    assert ask(connect(), "GET", "/things") == b"hello world"  # another verb
    assert not held.reached.is_set()
    one = connect()
    one.request("POST", "/things", body=b"x")
    assert held.reached.wait(20)
    assert server.met == ["GET /things"]
    gate.release()
    assert one.getresponse().read() == b"done"
    assert ask(connect(), "POST", "/things") == b"done"  # one hold holds once


def test_a_dropped_request_never_arrives(gate: Gate, server: Server, connect: Connect) -> None:
    held = gate.hold(POST, "before the call")
    one = connect()
    one.request("POST", "/things", body=b"x")
    assert held.reached.wait(20)
    gate.release(drop=True)
    with pytest.raises((OSError, http.client.HTTPException)):
        one.getresponse()
    assert server.met == []


def test_a_request_arrives_although_its_sender_has_left(gate: Gate, server: Server, connect: Connect) -> None:
    held = gate.hold(POST, "before the call")
    one = connect()
    one.request("POST", "/things", body=b"x")
    assert held.reached.wait(20)
    one.close()
    gate.release()
    assert until(lambda: server.met == ["POST /things"])


def test_held_before_the_answer_it_is_done_and_nobody_was_told(gate: Gate, server: Server, connect: Connect) -> None:
    held = gate.hold(POST, "before the answer")
    one = connect()
    one.request("POST", "/things", body=b"x")
    assert held.reached.wait(20)
    assert server.met == ["POST /things"]
    one.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        one.sock.recv(1)
    gate.release()


def test_behind_the_answer_is_told_when_it_was_given(gate: Gate, connect: Connect) -> None:
    held = gate.hold(POST, "after the answer")
    assert ask(connect(), "POST", "/things") == b"done"
    assert held.reached.wait(20)


def test_frozen_nothing_passes_and_thawed_nothing_is_missing(gate: Gate, server: Server, connect: Connect) -> None:
    one = connect()
    assert ask(one, "GET", "/a") == b"hello world"
    gate.freeze()
    one.request("GET", "/b")
    time.sleep(0.3)
    assert server.met == ["GET /a"]
    gate.thaw()
    assert one.getresponse().read() == b"hello world"


@pytest.mark.parametrize("end", ["fin", "reset"])
def test_a_cut_ends_what_is_open_and_takes_new_ones(gate: Gate, connect: Connect, end: str) -> None:
    one = connect()
    assert ask(one, "GET", "/a") == b"hello world"
    getattr(gate, end)()
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(one, "GET", "/b")
    assert ask(connect(), "GET", "/c") == b"hello world"
