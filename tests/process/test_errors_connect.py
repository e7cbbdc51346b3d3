"""The API server is not reached, or something else answers: real sockets on loopback, shown by the real tshark."""

from __future__ import annotations

import base64
import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from testbed.demo.cluster import DemoCluster
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Stage

pytestmark = pytest.mark.tshark

POD = "k8s-pod-shop.edge"


@pytest.fixture
def stage(tshark_native: Tshark) -> Stage:
    return Stage(tshark_native)


def tree(server: str, authority: str = "", **cluster: Any) -> str:
    """A kubeconfig of one context."""
    known = {"certificate-authority-data": base64.b64encode(authority.encode()).decode()} if authority else {}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server, **known, **cluster}}],
            "users": [{"name": "u", "user": {"token": "a-token"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
    )


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that gives each connection to `answer`, then closes it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(10)
                    try:
                        answer(client)
                    except OSError:
                        continue  # the client went first

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(15)


def http(status: str, body: str, kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


def test_nobody_listens(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    stage.config(tree(f"https://127.0.0.1:{port}"))
    check(
        "server-down", stage.show(POD), "Nobody listens at the API server's address.", "Start it, or use its context."
    )


def test_a_name_that_does_not_resolve(stage: Stage) -> None:
    stage.config(tree("https://no-such-host.invalid:6443"))  # RFC 6761: never resolves
    check("server-name", stage.show(POD), "The API server's name does not resolve.", "Connect the VPN.")


def test_a_server_that_never_answers(stage: Stage) -> None:
    """A listening socket whose connections nobody takes: the kernel completes them, and then there is silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stage.config(tree(f"https://127.0.0.1:{server.getsockname()[1]}"))
        shown = stage.show(POD, "--timeout", "2")
    check("server-silent", shown, "The API server does not answer in time.", "Check network and VPN.")


def test_plain_http_behind_https(stage: Stage) -> None:
    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(http("400 Bad Request", "plain HTTP"))

    with listening(answer) as port:
        stage.config(tree(f"https://127.0.0.1:{port}"))
        check("server-no-tls", stage.show(POD), "The server does not speak TLS.", "Check address and port.")


@pytest.mark.parametrize(
    ("key", "status", "body", "when", "do"),
    [
        ("answer-html", "200 OK", "<html><body>Sign in to the Wi-Fi</body></html>",
         "A web page answers instead of an API server.", "Sign in to the network; check the address."),
        ("answer-no-json", "200 OK", "It works!", "Another server answers.", "Check the address."),
        ("answer-404", "404 Not Found", "404 page not found\n", "Another server answers 404.", "Check the address."),
    ],
)  # fmt: skip
def test_something_else_answers(stage: Stage, key: str, status: str, body: str, when: str, do: str) -> None:
    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(http(status, body))

    with listening(answer) as port:
        stage.config(tree(f"http://127.0.0.1:{port}"))
        check(key, stage.show(POD), when, do)


# Certificates


def certificate(folder: Path, *, name: str = "127.0.0.1", days: int = 1) -> tuple[ssl.SSLContext, str]:
    """A server that shows a self-signed certificate, and that certificate; with `days` below zero it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    import ipaddress

    address = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()


def handshake(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def answer(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(4096)

    return answer


def test_an_unknown_authority(stage: Stage, demo: DemoCluster, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with listening(handshake(context)) as port:
        stage.config(tree(f"https://127.0.0.1:{port}", demo.authority()))
        check("tls-unknown", stage.show(POD), "The server's certificate is of another authority.",
              "Get the cluster's kubeconfig anew.")  # fmt: skip


def test_an_expired_certificate(stage: Stage, tmp_path: Path) -> None:
    context, pem = certificate(tmp_path, days=-1)
    with listening(handshake(context)) as port:
        stage.config(tree(f"https://127.0.0.1:{port}", pem))
        check("tls-expired", stage.show(POD), "The server's certificate has expired.", "Renew it; check the clock.")


def test_a_certificate_of_another_name(stage: Stage, tmp_path: Path) -> None:
    context, pem = certificate(tmp_path, name="elsewhere.example")
    with listening(handshake(context)) as port:
        stage.config(tree(f"https://127.0.0.1:{port}", pem))
        check("tls-name", stage.show(POD), "The server's certificate names another server.",
              "Set tls-server-name, or use its name.")  # fmt: skip


# Proxies


def test_a_proxy_that_refuses(stage: Stage, demo: DemoCluster) -> None:
    def answer(client: socket.socket) -> None:
        assert client.recv(4096).startswith(b"CONNECT ")
        client.sendall(http("403 Forbidden", "<h1>blocked by policy</h1>"))

    with listening(answer) as port:
        stage.config(tree("https://api.example:6443", demo.authority(), **{"proxy-url": f"http://127.0.0.1:{port}"}))
        check("proxy-refuses", stage.show(POD), "The proxy refuses to connect.", "NO_PROXY, or another proxy.")


def test_a_proxy_that_wants_a_password(stage: Stage, demo: DemoCluster) -> None:
    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(http("407 Proxy Authentication Required", ""))

    with listening(answer) as port:
        stage.config(tree("https://api.example:6443", demo.authority()))
        shown = stage.show(POD, "--proxy", f"http://127.0.0.1:{port}")
    check("proxy-password", shown, "The proxy wants a password.", "http://USER:PASSWORD@HOST:PORT.")


def test_a_proxy_that_is_not_there(stage: Stage, demo: DemoCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    stage.config(tree("https://api.example:6443", demo.authority()))
    shown = stage.show(POD, env={"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    check("proxy-down", shown, "Nobody listens at the proxy.", "Check HTTPS_PROXY.")


def test_a_proxy_whose_name_does_not_resolve(stage: Stage, demo: DemoCluster) -> None:
    stage.config(tree("https://api.example:6443", demo.authority()))
    shown = stage.show(POD, "--proxy", "http://proxy.invalid:3128")
    check("proxy-name", shown, "The proxy's name does not resolve.", "Check HTTPS_PROXY.")
