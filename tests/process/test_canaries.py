"""Every kind of secret through captures, lists, doctor and errors: found where it belongs and in no other file, command
line, environment or output. The log is at its most talkative.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from testbed.demo import certs
from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.wait import until
from tests.golden.errors.stage import Lane
from tests.process.listeners import PASSWORD, Echo, Proxy
from tests.process.test_errors_secrets import DEBUG, Watch, holding

pytestmark = [pytest.mark.demo, pytest.mark.slow]

VERSION = "client.authentication.k8s.io/v1"
CLI = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"


class Canary(NamedTuple):
    """A user as a kubeconfig has it, and the bytes that may be seen nowhere else. `works`: the cluster takes it."""

    user: dict[str, Any]
    secrets: list[bytes]
    works: bool


def pair() -> tuple[str, str, list[bytes]]:
    """Certificate, key, and how the key may look: lines of its PEM, its bytes, as the kubeconfig has it."""
    private, mark, chain = certs.make("a-user", ("x",)).server.partition("-----BEGIN CERTIFICATE")
    line = private.splitlines()[1]
    return mark + chain, private, [line.encode(), base64.b64decode(line + "=" * (-len(line) % 4))[8:40],
                                   base64.b64encode(private.encode())]  # fmt: skip


def plugin(folder: Path, **status: str) -> dict[str, Any]:
    """That it chatters about its secret costs nothing, for its words are shown only when it fails."""
    answer = {"apiVersion": VERSION, "kind": "ExecCredential",
              "status": {"expirationTimestamp": "2099-01-01T00:00:00Z", **status}}  # fmt: skip
    (folder / "answer").write_text(json.dumps(answer))
    file = folder / "plugin"
    file.write_text(f"#!/bin/sh\ncat {folder}/answer\ncat {folder}/answer >&2\n")
    file.chmod(0o700)
    (folder / "answer").chmod(0o600)
    return {"exec": {"apiVersion": VERSION, "command": str(file), "interactiveMode": "Never"}}


def canary(name: str, demo: DemoCluster, folder: Path) -> Canary:
    token = demo.token()
    certificate, key, keys = pair()
    data = {"client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key.encode()).decode()}  # fmt: skip
    basic = base64.b64encode(f"me:{PASSWORD}".encode())
    if name == "token":
        return Canary({"token": token}, [token.encode()], True)
    if name == "key":
        return Canary({"token": token, **data}, [token.encode(), *keys], True)
    if name == "basic":
        return Canary({"username": "me", "password": PASSWORD}, [PASSWORD.encode(), basic], False)
    made = plugin(folder, token=token, clientCertificateData=certificate, clientKeyData=key)
    return Canary(made, [token.encode(), *keys, key.splitlines()[1].encode()], True)


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user's own files are: the kubeconfig, the plugin. They have the secrets."""
    return tmp_path_factory.mktemp("user")


def config(demo: DemoCluster, folder: Path, user: dict[str, Any], **cluster: str) -> Path:
    tree = json.loads(demo.kubeconfig.read_text())
    tree["users"][0]["user"] = user
    tree["clusters"][0]["cluster"] |= cluster
    file = folder / "kubeconfig"
    file.write_text(json.dumps(tree))
    file.chmod(0o600)
    return file


def elsewhere(folder: Path, secrets: list[bytes]) -> list[str]:
    """But in the one place where credentials that say when they end are kept, for their owner only."""
    return [found for found in holding(folder, secrets) if "/state/credentials/" not in found]


NAMES = ("token", "key", "basic", "plugin")


@pytest.mark.usefixtures("payload")
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_and_its_errors_keep_every_secret(
    demo: DemoCluster, tmp_path: Path, outside: Path, name: str
) -> None:
    user = canary(name, demo, outside)
    lane = Lane(tmp_path / "own", config(demo, outside, user.user))
    tmp = {"TMPDIR": str(tmp_path)}
    with Watch(user.secrets, str(tmp_path).encode()) as watch:
        shown = [lane.show("k8s-pod-lab.gone", *DEBUG, env=tmp).sentence]
        shown.append(lane.show("k8s-pod-lab.sender", "--filter", "tcp port", *DEBUG, env=tmp).sentence)
        if user.works:
            lane = Lane(tmp_path / "works", lane.kubeconfig)  # whose log has nothing of the others
            process = lane.start("k8s-pod-lab.receiver", "--method", "upload", *DEBUG, env=tmp)
            assert until(lambda: "exec in container" in lane.log(), 30)
            assert elsewhere(tmp_path, user.secrets) == []  # its journal is open
            process.send_signal(signal.SIGTERM)
            assert lane.finish(process) == (0, b"")
    assert watch.seen
    assert watch.found == set()
    assert elsewhere(tmp_path, user.secrets) == []
    logs = "".join(file.read_text() for file in tmp_path.rglob("k8s-extcap.log"))
    everything = "\n".join(shown).encode() + logs.encode() + lane.received
    assert not [s for s in user.secrets if s in everything]
    assert "DEBUG" in logs
    assert "Traceback" in logs


@pytest.mark.parametrize("name", NAMES)
def test_list_and_doctor_keep_every_secret(demo: DemoCluster, tmp_path: Path, outside: Path, name: str) -> None:
    user = canary(name, demo, outside)
    lane = Lane(tmp_path / "own", config(demo, outside, user.user))
    lane.home.mkdir()
    lane.refresh()
    env = {**os.environ, "HOME": str(tmp_path), "K8S_EXTCAP_HOME": str(lane.home), "KUBECONFIG": lane.kubeconfig,
           "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}  # fmt: skip
    said = b""
    for words in (["doctor"], ["doctor", "--json"], ["list"], ["capture", "lab/sender", "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-c", CLI, *words], env=env, capture_output=True, timeout=90, check=False
        )
        said += done.stdout + done.stderr
    assert not [s for s in user.secrets if s in said]
    assert b"context demo" in said
    assert elsewhere(tmp_path, user.secrets) == []


@pytest.mark.parametrize(
    ("name", "kind"), [("key", Kind.HTML_403), ("plugin", Kind.UNAUTHORIZED), ("key", Kind.REFUSE)]
)
def test_a_cluster_in_trouble_gets_none_of_them_told(
    demo_factory: Any, tmp_path: Path, outside: Path, name: str, kind: Kind
) -> None:
    with demo_factory() as own:
        user = canary(name, own, outside)
        lane = Lane(tmp_path / "own", config(own, outside, user.user))
        with own.fault(Fault(kind, path="/api")):
            shown = lane.show("k8s-pod-lab.sender", *DEBUG)
        assert not [s for s in user.secrets if s in shown.sentence.encode() + lane.log().encode()]
        assert elsewhere(tmp_path, user.secrets) == []


@pytest.mark.parametrize(("name", "status"), [("token", 403), ("token", 404), ("basic", 400), ("basic", 500)])
def test_what_a_gateway_sends_back_is_not_shown(
    demo: DemoCluster, tmp_path: Path, outside: Path, name: str, status: int
) -> None:
    echo = Echo(status)
    user = canary(name, demo, outside)
    lane = Lane(tmp_path / "own", config(demo, outside, user.user, server=echo.url))
    shown = lane.show("k8s-pod-lab.sender", *DEBUG)
    echo.close()
    assert echo.asked
    assert "***" in shown.sentence, "the echo was shown, else this proves nothing"
    assert not [s for s in user.secrets if s in shown.sentence.encode() + lane.log().encode()]


# A proxy with a password


def journals(lane: Lane) -> Iterator[Path]:
    return (lane.home / "state/journal").glob("*.jsonl")


@pytest.mark.usefixtures("payload")
def test_a_killed_captures_deeds_are_undone_through_the_proxy_whose_password_nobody_wrote_down(
    demo: DemoCluster, tmp_path: Path, outside: Path
) -> None:
    proxy = Proxy()
    secrets = [PASSWORD.encode(), base64.b64encode(f"me:{PASSWORD}".encode())]
    lane = Lane(tmp_path / "own", config(demo, outside, {"token": demo.token()}))
    process = lane.start("k8s-pod-lab.receiver", "--method", "upload", "--proxy", proxy.url, *DEBUG,
                         env={"NO_PROXY": "", "no_proxy": ""})  # fmt: skip
    assert until(lambda: "exec in container" in lane.log(), 30)
    assert list(journals(lane))
    assert holding(tmp_path, secrets) == []
    lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if _ours(p, str(lane.home))]
    assert len(lines) >= 2, "the capture and its reaper"
    assert [PASSWORD.encode() in line for line in lines].count(True) == 1, "only where the user wrote it"
    passed = proxy.passed
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert until(lambda: not list(journals(lane)), 60)
    assert proxy.passed > passed
    assert proxy.refused == 0
    proxy.close()
    assert holding(tmp_path, secrets) == []


def _ours(cmdline: Path, home: str) -> bool:
    try:
        return home.encode() in cmdline.with_name("environ").read_bytes() and cmdline.read_bytes() != b""
    except OSError:
        return False  # it has ended


def test_a_password_in_the_servers_address_is_left_out_everywhere(
    demo: DemoCluster, tmp_path: Path, outside: Path
) -> None:
    server = demo.url.replace("https://", f"https://me:{PASSWORD}@")
    lane = Lane(tmp_path / "own", config(demo, outside, {"token": demo.token()}, server=server))
    lane.home.mkdir()
    lane.refresh()
    shown = lane.show("k8s-pod-lab.gone", *DEBUG)
    assert PASSWORD not in shown.sentence
    assert holding(tmp_path, [PASSWORD.encode()]) == []
