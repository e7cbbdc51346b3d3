"""`sudo tshark -i NAME`: sudo stands between the shell and tshark, and hands on next to nothing of the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.demo import DemoCluster
from testbed.wireshark import release

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.demo, pytest.mark.tshark]


@pytest.fixture
def home(demo: DemoCluster, tmp_path: Path) -> Path:
    """Root's, with the launcher in it. Another user's password is nobody's to know."""
    if os.geteuid() != 0 or not shutil.which("sudo") or not release.native():
        pytest.skip("sudo without a password, and a tshark of this machine's own, are there for root only.")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(demo.kubeconfig.read_text())
    words = [sys.executable, "-m", "k8s_extcap", "install"]
    bare = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    subprocess.run(words, env=bare, check=True, timeout=90, capture_output=True)
    return tmp_path


def tshark(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    noise = {**os.environ, "KUBECONFIG": "/nowhere", "K8S_EXTCAP_HOME": "/nowhere"}  # sudo drops them
    command = ["sudo", "-n", f"HOME={home}", "tshark", *words]
    return subprocess.run(command, env=noise, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("interface", ["k8s-pod-shop.checkout", "k8s-deploy-dev.hello"])
def test_what_is_named_is_captured(home: Path, interface: str) -> None:
    done = tshark(home, "-i", interface, "-c", "3")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert "packets captured" in done.stderr
