"""A refresher that hangs ends by itself, with what it started, and gives its lock back."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.wait import until

pytestmark = pytest.mark.demo

SHORT = "import sys; from k8s_extcap.run import refresh; refresh.LIFE = 2.0; sys.exit(refresh.main([]))"


def started(folder: Path, config: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "KUBECONFIG": str(config), "K8S_EXTCAP_HOME": str(folder / "own"),
           "PYTHONPATH": str(Path(__file__).parents[2])}  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", SHORT], env=env, stdin=subprocess.DEVNULL)


def config(demo: DemoCluster, folder: Path, user: dict[str, object]) -> Path:
    tree = json.loads(demo.kubeconfig.read_text())
    tree["users"][0]["user"] = user
    file = folder / "kubeconfig"
    file.write_text(json.dumps(tree))
    return file


def test_a_login_of_the_library_that_never_ends(demo: DemoCluster, tmp_path: Path) -> None:
    """It asks the identity provider without any time limit."""
    silent = socket.create_server(("127.0.0.1", 0))
    old = base64.urlsafe_b64encode(b'{"exp": 1}').rstrip(b"=").decode()
    provider = {"id-token": f"e30.{old}.x", "idp-issuer-url": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "client-id": "i", "client-secret": "s", "refresh-token": "r"}  # fmt: skip
    first = started(tmp_path, config(demo, tmp_path, {"auth-provider": {"name": "oidc", "config": provider}}))
    assert until(lambda: _locked(tmp_path), 30)
    asked, _ = silent.accept()
    assert asked.recv(1024).startswith(b"GET /.well-known/"), "it hangs there"
    assert first.wait(60) == 1
    assert not _locked(tmp_path)
    assert "was not renewed within" in (tmp_path / "own/state/log/k8s-extcap.log").read_text()
    asked.close()
    silent.close()


def test_its_credential_plugin_goes_with_it(demo: DemoCluster, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 613\n")
    plugin.chmod(0o700)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    process = started(tmp_path, config(demo, tmp_path, {"exec": spec}))
    assert process.wait(60) == 1
    pid = (tmp_path / "pid").read_text().strip()
    assert until(lambda: not Path(f"/proc/{pid}").exists(), 10)


def _locked(folder: Path) -> bool:
    """proc(5): locks are told by the inode of their file."""
    inodes = {str(f.stat().st_ino) for f in (folder / "own").rglob("catalog/*/lock")}
    return any(line.split(":")[-1].split()[0] in inodes for line in Path("/proc/locks").read_text().splitlines())
