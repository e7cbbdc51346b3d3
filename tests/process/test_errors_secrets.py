"""A token is seen by the API server and nobody else: not in logs, arguments, environments, journals or other files."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Self

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.wait import until
from tests.golden.errors.stage import Lane

pytestmark = pytest.mark.demo

DEBUG = ("--log-level", "debug")
METHODS = (("resident", "k8s-pod-lab.sender"), ("upload", "k8s-pod-lab.receiver"))
FAILURES = (
    ("k8s-pod-lab.gone", ()),
    ("k8s-pod-lab.sender", ("--filter", "tcp port")),
    ("k8s-pod-lab.sender", ("--context", "demo-expired")),
    ("k8s-pod-shop.edge", ("--context", "demo-viewer")),
)


class Watch:
    """Looks at the command lines and environments of all processes for as long as a block lasts."""

    def __init__(self, secrets: list[bytes], ours: bytes) -> None:
        self._secrets = secrets
        self._ours = ours
        self._ended = threading.Event()
        self.found: set[str] = set()
        self.seen: set[str] = set()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                    around = (process / "environ").read_bytes()
                except OSError:
                    continue  # it has ended
                if self._ours in line or self._ours in around:
                    self.seen.add(process.name)
                    if any(s in line or s in around for s in self._secrets):
                        self.found.add(line.replace(b"\0", b" ").decode(errors="replace"))
            time.sleep(0.02)


def secrets_of(kubeconfig: Path) -> list[bytes]:
    tree = json.loads(kubeconfig.read_text())
    return [user["user"]["token"].encode() for user in tree["users"] if user["user"]["token"] != "expired"]


def holding(folder: Path, secrets: list[bytes]) -> list[str]:
    """Files that hold a secret, or that others may read."""
    bad = []
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            if any(s in data for s in secrets):
                bad.append(f"{file} holds a token")
            if file.stat().st_mode & 0o077:
                bad.append(f"{file} has mode {file.stat().st_mode & 0o777:o}")
    return bad


@pytest.mark.usefixtures("payload")
@pytest.mark.parametrize(("method", "interface"), METHODS)
def test_a_capture_keeps_its_token_to_itself(demo: DemoCluster, tmp_path: Path, method: str, interface: str) -> None:
    lane = Lane(tmp_path / "own", demo.kubeconfig)
    secrets = secrets_of(demo.kubeconfig)
    with Watch(secrets, str(lane.home).encode()) as watch:
        process = lane.start(interface, "--method", method, *DEBUG, env={"TMPDIR": str(tmp_path)})
        assert until(lambda: "exec in container" in lane.log(), 30)
        time.sleep(1)
        bad = holding(tmp_path, secrets)  # while it runs: the journal of an upload is open
        process.terminate()
        assert lane.finish(process) == (0, b"")
    assert watch.seen
    assert watch.found == set()
    assert bad == []
    assert holding(tmp_path, secrets) == []
    assert "DEBUG" in lane.log()


@pytest.mark.parametrize(("interface", "options"), FAILURES)
def test_a_failure_keeps_it_too(demo: DemoCluster, tmp_path: Path, interface: str, options: tuple[str, ...]) -> None:
    """Tracebacks and library logs at the level debug have more to say than anybody should hear."""
    lane = Lane(tmp_path / "own", demo.kubeconfig)
    shown = lane.show(interface, *options, *DEBUG)
    secrets = secrets_of(demo.kubeconfig)
    assert not any(s.decode() in shown.sentence for s in secrets)
    assert holding(tmp_path, secrets) == []
    assert "Traceback" in lane.log()


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.HTML_403, Kind.SERVER_ERROR, Kind.UNAUTHORIZED, Kind.NO_STATUS])
def test_a_handshake_that_fails_keeps_it_too(demo_factory: Any, tmp_path: Path, kind: Kind) -> None:
    with demo_factory() as own:
        lane = Lane(tmp_path / "own", own.kubeconfig)
        with own.fault(Fault(kind, path="/exec")):
            lane.show("k8s-pod-lab.sender", "--filter", "tcp port", *DEBUG)
        assert holding(tmp_path, secrets_of(own.kubeconfig)) == []


def with_user(demo: DemoCluster, folder: Path, user: dict[str, Any]) -> Path:
    tree = json.loads(demo.kubeconfig.read_text())
    tree["users"][0]["user"] = user
    file = folder / "kubeconfig"
    file.write_text(json.dumps(tree))
    file.chmod(0o600)
    return file


def test_a_plugins_token_lies_in_one_private_file(demo: DemoCluster, tmp_path: Path) -> None:
    """It is kept until it ends, so that ten captures run the plugin once: in a file for its owner, and nowhere else."""
    token = demo.token()
    version = "client.authentication.k8s.io/v1"
    status = {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}
    answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{answer}'\necho 'warning: {token}' >&2\n")
    plugin.chmod(0o700)
    spec = {"exec": {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}}
    config = with_user(demo, tmp_path, spec)
    lane = Lane(tmp_path / "own", config)
    with Watch([token.encode()], str(lane.home).encode()) as watch:
        lane.show("k8s-pod-lab.gone", *DEBUG)
    assert watch.found == set()
    kept = [f for f in lane.home.rglob("*") if f.is_file() and token.encode() in f.read_bytes()]
    assert len(kept) == 1
    assert kept[0].parent == lane.home / "state/credentials"
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert kept[0].parent.stat().st_mode & 0o777 == 0o700
    assert token not in lane.log()


def test_a_failing_plugins_output_is_never_shown(demo: DemoCluster, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text('#!/bin/sh\necho \'{"status": {"token": "s3cr3t-t0ken"}}\'\nexit 1\n')
    plugin.chmod(0o700)
    version = "client.authentication.k8s.io/v1"
    config = with_user(demo, tmp_path, {"exec": {"apiVersion": version, "command": str(plugin)}})
    lane = Lane(tmp_path / "own", config)
    assert "s3cr3t-t0ken" not in lane.show("k8s-pod-lab.gone", *DEBUG).sentence
    assert "s3cr3t-t0ken" not in lane.log()


@pytest.mark.parametrize("how", ["variable", "option", "kubeconfig"])
def test_a_proxys_password_is_never_shown(demo: DemoCluster, tmp_path: Path, how: str) -> None:
    """Where it stands is the user's business (a command line is for everybody to read); we do not spread it."""
    proxy = "http://me:hunter2@127.0.0.1:9"
    tree = json.loads(demo.kubeconfig.read_text())
    if how == "kubeconfig":
        tree["clusters"][0]["cluster"]["proxy-url"] = proxy
    config = tmp_path / "kubeconfig"
    config.write_text(json.dumps(tree))
    lane = Lane(tmp_path / "own", config)
    env = {"NO_PROXY": "", **({"HTTPS_PROXY": proxy} if how == "variable" else {})}
    options = ("--proxy", proxy) if how == "option" else ()
    shown = lane.show("k8s-pod-lab.gone", *DEBUG, *options, env=env)
    assert shown.kind == "ConnectError"
    assert "hunter2" not in shown.sentence
    assert "hunter2" not in lane.log()
    assert "127.0.0.1:9" in shown.sentence
