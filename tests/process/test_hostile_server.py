"""A server that means harm instead of an API server: answers without end, swollen, nested, or meant for a terminal."""

from __future__ import annotations

import gzip
import http.server
import json
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_extcap.kube import api
from k8s_extcap.kube.api import Api
from k8s_extcap.model.errors import ConnectError, CredentialError, ExtcapError, RefusedError
from k8s_extcap.model.objects import PodList
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from tests.fuzz.laws import shown

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
BODIES = {
    "/nested": b'{"items":' + b"[" * 100_000,
    "/no-text": b'{"items":[{"metadata":{"name":"\xff\xfe"}}]}',
    "/escapes": json.dumps({"kind": "Status", "message": ESCAPES + "no", "reason": ESCAPES, "code": 403}).encode(),
    "/page": f"<html>{ESCAPES}<b>no".encode(),
    "/null": b"null",
    "/list": b'{"items":null}',
    "/number": b'{"items":[{"spec":{"containers":[{"name":1e999}]}}]}',
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.send_response(403 if path in ("/escapes", "/page") else 429 if path == "/later" else 200)
        if path == "/later":
            self.send_header("Retry-After", "9" * 400)
        if path == "/swollen":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            if path == "/endless":
                while True:
                    self.wfile.write(b" " * 65536)
            elif path == "/swollen":
                self.wfile.write(gzip.compress(b" " * (200 << 20), 1))
            else:
                self.wfile.write(BODIES.get(path, b"{}"))
        except OSError:
            pass  # the client has had enough

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        config = tmp_path / "config"
        address = f"http://127.0.0.1:{served.server_port}"
        context = {"context": {"cluster": "c", "user": "u"}, "name": "x"}
        tree = {"clusters": [{"name": "c", "cluster": {"server": address}}], "contexts": [context]}
        config.write_text(json.dumps({**tree, "users": [{"name": "u", "user": {}}], "current-context": "x"}))
        monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield open_session(Connection(kubeconfig=str(config))).api
        served.shutdown()
        thread.join(10)


@pytest.mark.parametrize("path", ["/endless", "/swollen"])
def test_an_answer_without_end_is_left(server: Api, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(api, "LARGEST", 4 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConnectError, match="has no end"):
        server.get(path)
    if path == "/endless":  # the other test's own 200 MB are of this process, too
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_an_answer_that_takes_for_ever_is_left(server: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST", 0.05)
    with pytest.raises(ConnectError, match="has no end"):
        server.get("/endless")


@pytest.mark.parametrize("path", BODIES)
def test_what_is_no_answer_is_told_in_plain_text(server: Api, path: str) -> None:
    with pytest.raises((ConnectError, RefusedError, CredentialError)) as caught:
        server.get_as(path, PodList)
    assert isinstance(caught.value, ExtcapError)
    shown(caught.value.sentence)


def test_a_pause_of_ages_is_not_waited_for(server: Api) -> None:
    with pytest.raises(RefusedError) as caught:
        server.get("/later")
    assert caught.value.retry_after == 86_400
    shown(caught.value.sentence)
