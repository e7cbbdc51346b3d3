"""Credentials that end or are refused while a session lives: obtained anew, once, for the cluster that they are for."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.kube import login
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command
from k8s_extcap.kube.login import Given, Login
from k8s_extcap.kube.material import Material
from k8s_extcap.kube.once import run_exec
from k8s_extcap.model.errors import CredentialError, RefusedError
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from testbed.demo import certs
from testbed.demo.cluster import DemoCluster
from tests.plugin import Plugin

PODS = "/api/v1/namespaces/shop/pods"


def given(token: str, until: float = login.NEVER, forget: Callable[[], None] = lambda: None) -> Given:
    return Given(f"Bearer {token}", Material(), None, until, forget)


class Source:
    """Gives `new`, and counts."""

    def __init__(self, new: Given | None) -> None:
        self.new = new
        self.asked = 0

    def __call__(self) -> Given | None:
        self.asked += 1
        time.sleep(0.05)  # as long as a quick plugin takes: others come meanwhile
        return self.new


def at_once(deed: Callable[[], Any], count: int = 10) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(deed())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_ten_threads_renew_once_what_has_ended() -> None:
    source = Source(given("new"))
    held = Login(given("old", until=1.0), source)
    assert {g.authorization for g in at_once(held.current)} == {"Bearer new"}
    assert source.asked == 1


def test_ten_threads_renew_once_what_was_refused() -> None:
    forgotten: list[int] = []
    old = given("old", forget=lambda: forgotten.append(1))
    source = Source(given("new"))
    held = Login(old, source)
    assert at_once(lambda: held.refused(old)) == [True] * 10
    assert source.asked == 1
    assert forgotten, "else the same would come out of the cache"


def test_what_cannot_be_renewed_is_used_as_long_as_the_server_takes_it() -> None:
    """The identity provider may be away for a minute; the old token has that minute."""

    def fails() -> Given | None:
        raise CredentialError("the plugin failed")

    held = Login(given("old", until=1.0), fails)
    assert held.current().authorization == "Bearer old"
    assert not held.due, "not for each request"
    with pytest.raises(CredentialError, match="the plugin failed"):
        held.refused(held.held)


def test_the_same_once_more_is_nothing_to_try() -> None:
    held = Login(given("old"), Source(given("old")))
    assert not held.refused(held.held)


def test_a_context_that_leads_elsewhere_gives_this_cluster_nothing() -> None:
    """Else `kubectl config set-cluster` during a capture would send one cluster's token to the other."""
    source = Source(None)
    held = Login(given("old", until=1.0), source)
    assert held.current().authorization == "Bearer old"
    assert held.current().authorization == "Bearer old"
    assert source.asked == 1


@pytest.mark.parametrize(
    ("expires", "until"), [(0, login.NEVER), (10_000, 9_940), (1_100, 1_050), (1_010, 1_005), (500, 1_005)]
)
def test_when_it_is_renewed(expires: float, until: float) -> None:
    """A minute before its end, at half the life of a short one, and never for each request."""
    assert login.until(expires, 1_000) == until


def test_an_answer_is_shown_without_our_credentials() -> None:
    token, basic = (
        Login(given("geheim-123"), Source(None)),
        Login(Given("Basic dXNlcjpnZWhlaW0xMjM=", Material(), None, 0, lambda: None), Source(None)),
    )
    assert token.hidden(b"<p>Authorization: Bearer geheim-123</p>") == b"<p>Authorization: Bearer ***</p>"
    assert basic.hidden(b"Basic dXNlcjpnZWhlaW0xMjM= is user:geheim123") == b"Basic *** is user:***"


# With a cluster


def opened(plugin: Plugin) -> Session:
    return open_session(Connection(kubeconfig=str(plugin.config)))


@pytest.fixture
def plugin(demo: DemoCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path / "own"))
    return Plugin(tmp_path, json.loads(demo.kubeconfig.read_text()))


@pytest.mark.demo
def test_a_refused_token_is_replaced_within_the_request(plugin: Plugin, demo: DemoCluster) -> None:
    """Revoked on the server, or of a cluster that was built anew: the cached one is not trusted any more."""
    plugin.gives("expired")
    session = opened(plugin)
    plugin.gives(demo.token())
    assert b'"PodList"' in session.api.get(PODS)
    assert plugin.count() == 2
    assert session.authorization == f"Bearer {demo.token()}", "what an exec sends next"
    assert b'"PodList"' in opened(plugin).api.get(PODS)
    assert plugin.count() == 2, "and another process finds the new one"


@pytest.mark.demo
def test_a_token_of_minutes_is_renewed_for_the_next_request(
    plugin: Plugin, demo: DemoCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 121))
    plugin.gives(demo.token("demo-viewer"), soon)
    session = opened(plugin)
    session.api.get(PODS)
    plugin.gives(demo.token())
    session.api.get(PODS)
    assert plugin.count() == 1
    monkeypatch.setattr(time, "time", lambda: now + 119)
    assert set(at_once(lambda: len(session.api.get(PODS)) > 0, 4)) == {True}
    assert plugin.count() == 2
    assert session.authorization == f"Bearer {demo.token()}"


@pytest.mark.demo
def test_so_is_that_of_a_stream(plugin: Plugin, demo: DemoCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cut capture goes on with after its token has ended: another library makes that request."""
    now = time.time()
    plugin.gives(demo.token("demo-viewer"), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 121)))
    session = opened(plugin)
    command = Command("lab", "sender", "", ("echo", "hello"))
    with pytest.raises(RefusedError, match="pods/exec"):
        asyncio.run(run_exec(session, command))
    plugin.gives(demo.token())
    monkeypatch.setattr(time, "time", lambda: now + 119)
    assert asyncio.run(run_exec(session, command)).stdout == b"hello\n"
    assert plugin.count() == 2


@pytest.mark.demo
def test_a_plugin_that_fails_then_says_why(plugin: Plugin, demo: DemoCluster) -> None:
    plugin.gives(demo.token("demo-expired"))
    session = opened(plugin)
    plugin.answer.write_text("")
    with pytest.raises(CredentialError, match="printed no ExecCredential"):
        session.api.get(PODS)


@pytest.mark.demo
def test_a_kubeconfig_that_was_written_anew_is_read_again(plugin: Plugin, demo: DemoCluster) -> None:
    """`oc login`, `az aks get-credentials` and their like, in another terminal while a capture runs."""
    plugin.user(token="expired")
    session = opened(plugin)
    plugin.user(token=demo.token())
    assert b'"PodList"' in session.api.get(PODS)


@pytest.mark.demo
def test_but_not_where_it_leads_to_another_cluster(plugin: Plugin, demo: DemoCluster) -> None:
    plugin.user(token="expired")
    session = opened(plugin)
    plugin.tree["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    plugin.user(token=demo.token())
    with pytest.raises(CredentialError, match="does not accept"):
        session.api.get(PODS)
    assert session.authorization == "Bearer expired"


@pytest.mark.demo
def test_a_new_certificate_is_used_by_new_connections(plugin: Plugin, demo: DemoCluster) -> None:
    def pair() -> dict[str, str]:
        private, mark, chain = certs.make("a-user", ("x",)).server.partition("-----BEGIN CERTIFICATE")
        return {"clientCertificateData": mark + chain, "clientKeyData": private}

    plugin.gives("expired", **pair())
    session = opened(plugin)
    before = session.login.held.tls
    plugin.gives(demo.token(), **pair())
    session.api.get(PODS)
    assert session.login.held.tls is not before
    assert session.api._pool.connection_pool_kw["ssl_context"] is session.login.held.tls
    assert len(session.api._pool.pools) == 2


@pytest.mark.demo
def test_a_token_file_is_read_again(
    plugin: Plugin, demo: DemoCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(demo.token("demo-viewer"))
    plugin.user(tokenFile=str(file))
    session = opened(plugin)
    session.api.get(PODS)
    file.write_text(demo.token())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + login.REREAD + 1)
    session.api.get(PODS)
    assert session.authorization == f"Bearer {demo.token()}"
