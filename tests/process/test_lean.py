"""The capture lane carries no more of the Kubernetes library than it uses, and all of it works when it is asked for."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pydantic", "pydantic_core", "requests", "dateutil", "websocket", "charset_normalizer", "kubernetes.stream")


def python(code: str, **env: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_capture_imports_nothing_that_it_does_not_use() -> None:
    code = "import sys, k8s_extcap.run.lane, k8s_extcap.run.asked, k8s_extcap.run.capture\nprint(*sys.modules)"
    (modules,) = python(code)
    assert "kubernetes.config.kube_config" in modules.split()
    assert not set(HEAVY) & set(modules.split())


def test_what_stands_in_gives_the_real_thing_when_it_is_asked_for() -> None:
    told = python(
        "import k8s_extcap.kube.connect\n"
        "from kubernetes.config import kube_config as k\n"
        "print(type(k.ApiClient(configuration=k.Configuration())).__module__)\n"
        "print(type(k.OAuth2Session('id')).__module__)\n"
        "print(k.oauthlib.oauth2.rfc6749.errors.InvalidClientIdError.__module__)\n"
        "from kubernetes import client, stream, watch\n"
        "print(client.CoreV1Api().api_client.__class__ is client.ApiClient)\n"
        "import requests, requests_oauthlib\n"
        "print(requests_oauthlib.OAuth2Session.__bases__ == (requests.Session,))\n"
    )
    assert told == [
        "kubernetes.client.api_client",
        "requests_oauthlib.oauth2_session",
        "oauthlib.oauth2.rfc6749.errors",
        "True",
        "True",
    ]


def test_whoever_imported_the_library_before_us_keeps_it() -> None:
    assert python(
        "import kubernetes\n"
        "from k8s_extcap.kube import lean\n"
        "print(lean.prepare(), kubernetes.client.ApiClient.__module__, type(kubernetes.client.ApiClient))"
    ) == ["False kubernetes.client.api_client <class 'type'>"]


def test_a_library_that_is_built_otherwise_is_imported_as_it_wants_to_be(tmp_path: Path) -> None:
    """It subclasses at once what the one that we know only names."""
    files = {
        "requests_oauthlib.py": "class OAuth2Session: pass",
        "kubernetes/__init__.py": "whole = True",
        "kubernetes/config/__init__.py": "",
        "kubernetes/config/kube_config.py": "from requests_oauthlib import OAuth2Session\nclass Own(OAuth2Session): 1",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert python(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from k8s_extcap.kube import lean\n"
        "import kubernetes, kubernetes.config.kube_config as k\n"
        "print(lean.prepare(), kubernetes.whole, k.Own.__bases__[0].__module__)"
    ) == ["False True requests_oauthlib"]


@pytest.fixture
def issuer() -> Iterator[str]:
    """An identity provider that gives a new token for an old refresh token."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, body: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._answer({"token_endpoint": f"http://127.0.0.1:{server.server_port}/token"})

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            assert b"refresh_token=old" in asked
            self._answer({"access_token": "a", "token_type": "bearer", "id_token": "renewed", "refresh_token": "next"})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_old_oidc_provider_renews_its_token(issuer: str, tmp_path: Path) -> None:
    expired = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b"{}", b'{"exp": 1000}', b"sign"))
    provider = {
        "client-id": "id",
        "client-secret": "secret",
        "id-token": expired.decode(),
        "idp-issuer-url": issuer,
        "refresh-token": "old",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": provider}}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    code = (
        "from k8s_extcap.model.request import Connection\n"
        "from k8s_extcap.run.session import open_session\n"
        f"print(open_session(Connection(kubeconfig={str(kubeconfig)!r})).authorization)"
    )
    env = {"K8S_EXTCAP_HOME": str(tmp_path), "OAUTHLIB_INSECURE_TRANSPORT": "1", "NO_PROXY": "127.0.0.1"}
    assert python(code, **env) == ["Bearer renewed"]
