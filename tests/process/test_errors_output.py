"""The output cannot be written: the FIFO, the file, the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.demo.cluster import DemoCluster
from tests.golden.errors.golden import Shown, check
from tests.golden.errors.stage import ENTRY, class_of

pytestmark = pytest.mark.demo

ROOT = Path(__file__).parents[2]
CODE = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"
POD = "shop/web"


def shown(done: subprocess.CompletedProcess[str], home: Path) -> Shown:
    log = (home / "state/log/k8s-extcap.log").read_text()
    return Shown(done.stderr.splitlines()[-1], class_of(log), done.returncode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "own"


def command(demo: DemoCluster, home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """`k8s-extcap`, as people type it."""
    return subprocess.run(
        [sys.executable, "-c", CODE, "capture", "deploy/shop/web", "--quiet", "--limit-time", "20", *argv],
        env={**os.environ, "K8S_EXTCAP_HOME": str(home), "KUBECONFIG": str(demo.kubeconfig), "COLUMNS": "500",
             "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_full_disk(demo: DemoCluster, home: Path) -> None:
    done = command(demo, home, "-w", "/dev/full")
    check("disk-full", shown(done, home), "The disk is full.", "Free some space, or name another file.")


def test_a_full_disk_behind_standard_output(demo: DemoCluster, home: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", CODE, "capture", "deploy/shop/web", "--quiet", "--limit-time", "20", "-w", "-"],
            env={**os.environ, "K8S_EXTCAP_HOME": str(home), "KUBECONFIG": str(demo.kubeconfig), "COLUMNS": "500",
                 "PYTHONPATH": str(ROOT), "TERM": "dumb"},
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    check("stdout-full", shown(done, home), "What reads standard output has no room.", "Free some space.")


def test_a_folder(demo: DemoCluster, home: Path, tmp_path: Path) -> None:
    done = command(demo, home, "-w", str(tmp_path))
    check("output-folder", shown(done, home), "The capture file is a folder.", "Name a file in it.",
          {str(tmp_path): "FOLDER"})  # fmt: skip


def test_a_folder_that_is_not_there(demo: DemoCluster, home: Path, tmp_path: Path) -> None:
    done = command(demo, home, "-w", str(tmp_path / "no" / "file.pcapng"))
    check("output-no-folder", shown(done, home), "The folder of the capture file is not there.", "Make it.",
          {str(tmp_path): "FOLDER"})  # fmt: skip


def test_a_capture_that_fails_keeps_the_file_that_was_there(demo: DemoCluster, home: Path, tmp_path: Path) -> None:
    kept, made = tmp_path / "kept.pcapng", tmp_path / "made.pcapng"
    kept.write_bytes(b"yesterday")
    for file in (kept, made):
        done = command(demo, home, "-w", str(file), "--context", "nobody")
        assert "nobody" in done.stderr
        assert done.returncode != 0
    assert kept.read_bytes() == b"yesterday"
    assert not made.exists()


def test_a_fifo_that_is_not_there(home: Path, tmp_path: Path) -> None:
    """The lane alone: a host makes the FIFO before it starts us."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-E", str(ENTRY), "--capture", "--extcap-interface", "k8s-pod-a.b",
         "--fifo", str(tmp_path / "no" / "fifo")],
        env={**os.environ, "K8S_EXTCAP_HOME": str(home)}, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    check("fifo-missing", shown(done, home), "The host's FIFO cannot be opened.", "Start the capture again.",
          {str(tmp_path): "FOLDER"})  # fmt: skip
