"""A capture is killed at every point of its deeds, with the signal that nobody can catch; nothing of it stays."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_extcap.methods import helper
from k8s_extcap.model.plan import ExecSpec, Upload
from k8s_extcap.model.request import Connection
from k8s_extcap.run import journal, undoing
from k8s_extcap.run import reaper as reaping
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster
from testbed.wait import until
from tests.process.deeds import POINTS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.cluster


def start(cluster: Cluster, namespace: str, capture: str, at: int, home: Path, *more: str) -> tuple[int, int]:
    """(exit code, the reaper's PID) of the deeds, killed at point `at` (0: never)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.process.deeds", str(cluster.admin), namespace, capture, str(at), *more],
        env={**os.environ, "K8S_EXTCAP_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, int(done.stdout.split()[0])


def journals(home: Path) -> list[Path]:
    return list((home / "state" / "journal").glob("*"))


def objects(cluster: Cluster, namespace: str, capture: str) -> str:
    """By kubectl: the search for leftovers shares no code with the clean-up."""
    return cluster.kubectl("get", "configmap", "-n", namespace, "-l", f"k8s-extcap/capture={capture}", "-o", "name")


@pytest.fixture
def capture() -> str:
    return secrets.token_hex(5)


def test_without_a_kill_everything_is_undone_by_the_capture_itself(
    cluster: Cluster, namespace: str, capture: str, tmp_path: Path
) -> None:
    code, reaper = start(cluster, namespace, capture, 0, tmp_path)
    assert code == 0
    assert objects(cluster, namespace, capture) == ""
    assert journals(tmp_path) == []
    assert until(lambda: not Path(f"/proc/{reaper}").exists(), 5)


@pytest.mark.parametrize("at", range(1, POINTS + 1))
def test_killed_anywhere_nothing_stays(cluster: Cluster, namespace: str, capture: str, tmp_path: Path, at: int) -> None:
    code, reaper = start(cluster, namespace, capture, at, tmp_path)
    assert code == -signal.SIGKILL
    assert until(lambda: journals(tmp_path) == [], 40)
    assert objects(cluster, namespace, capture) == ""
    assert until(lambda: not Path(f"/proc/{reaper}").exists(), 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE])
def test_signals_do_not_keep_the_reaper_from_its_work(
    cluster: Cluster, namespace: str, capture: str, tmp_path: Path, number: signal.Signals
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(cluster.admin), namespace, capture],
        env={**os.environ, "K8S_EXTCAP_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    reaper = int(program.stdout.readline())
    assert until(lambda: _ignores(reaper, number), 10)
    os.kill(reaper, number)
    assert os.getsid(reaper) == reaper
    assert {str(Path(f"/proc/{reaper}/fd/{n}").readlink()) for n in (0, 1, 2)} == {"/dev/null"}
    program.kill()
    program.wait()
    program.stdout.close()
    assert until(lambda: journals(tmp_path) == [], 40)
    assert objects(cluster, namespace, capture) == ""


def test_an_object_whose_creation_was_under_way_at_the_stop_is_found(
    cluster: Cluster, namespace: str, capture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capture was stopped while the API server still worked on its request: first nothing is there, then it is."""
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    session = open_session(Connection(kubeconfig=str(cluster.admin)))
    book = journal.open(capture, session)
    handle = reaping.arm(book)
    path, name = f"/api/v1/namespaces/{namespace}/configmaps", f"k8s-extcap-{capture}"
    book.intend(journal.delete(f"{path}/{name}", f"configmap {name}"))
    left = undoing.undo(session, book)
    assert left == [f"configmap {name} was being created when the capture ended"]
    handle.release(finished=not left)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": helper.labels(capture)}}
    session.api.create(path, body)
    assert until(lambda: journals(tmp_path) == [], 40)
    assert objects(cluster, namespace, capture) == ""


def test_files_in_a_pod_are_removed_when_the_guard_was_killed_too(
    cluster: Cluster, capture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    session = open_session(Connection(kubeconfig=str(cluster.admin)))
    file = f"/tmp/k8s-extcap-{capture}-tcpdump"
    inside = ("exec", "-n", "team", "client-n1", "-c", "app", "--")
    cluster.kubectl(*inside, "touch", file)
    book = journal.open(capture, session)
    handle = reaping.arm(book)
    book.intend(journal.remove(ExecSpec("team", "client-n1", "app", (), (Upload("tcpdump-amd64", file, 1, ""),))))
    handle.release(finished=False)
    assert until(lambda: journals(tmp_path) == [], 40)
    assert file not in cluster.kubectl(*inside, "ls", "/tmp")


WAITING = """
import sys
from k8s_extcap.run import reaper
arm = reaper.arm
def armed(journal):
    handle = arm(journal)
    handle.release = lambda finished: None
    return handle
reaper.arm = armed
from tests.process import deeds
from k8s_extcap.run.journal import Journal
Journal.undo = lambda self, session: ["kept for the reaper"]
sys.argv += ["0"]
deeds.main()
sys.stdin.read()
import time
time.sleep(60)
"""


def _ignores(pid: int, number: int) -> bool:
    mask = int(Path(f"/proc/{pid}/status").read_text().partition("SigIgn:")[2].split()[0], 16)
    return bool(mask >> (number - 1) & 1)
