"""The last ring: capture and reaper are both killed; the next start, or the command, removes what they left."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_extcap.model.request import Connection
from k8s_extcap.run import janitor, owner
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster
from testbed.wait import until
from tests.process.test_reaper import journals, objects, start

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
AFTER_FIRST = 3  # the point in `deeds` after the first object was created, before its answer was written down


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    return tmp_path


def abandoned(cluster: Cluster, namespace: str, home: Path, at: int = AFTER_FIRST) -> str:
    """A capture whose reaper was killed too."""
    capture = secrets.token_hex(5)
    _, reaper = start(cluster, namespace, capture, at, home, "--kill-reaper")
    assert until(lambda: owner.started(reaper) == "", 5)
    assert objects(cluster, namespace, capture) != ""
    assert len(journals(home)) == 1
    return capture


@pytest.mark.parametrize("at", [3, 4, 6, 7])
def test_the_next_start_removes_what_was_left(cluster: Cluster, namespace: str, home: Path, at: int) -> None:
    capture = abandoned(cluster, namespace, home, at)
    result = janitor.sweep_journals()
    assert result.left == []
    assert result.removed
    assert objects(cluster, namespace, capture) == ""
    assert journals(home) == []


def test_after_a_kill_by_the_host_the_work_is_done_beside_it(cluster: Cluster, namespace: str, home: Path) -> None:
    capture = abandoned(cluster, namespace, home)
    code = "import sys; from k8s_extcap.run import janitor; sys.exit(janitor.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--extcap-cleanup-postkill"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert until(lambda: journals(home) == [], 40)
    assert objects(cluster, namespace, capture) == ""


def test_another_cluster_under_the_same_name_is_left_alone(cluster: Cluster, namespace: str, home: Path) -> None:
    """The context was pointed elsewhere since: what has the same name there is not ours."""
    capture = abandoned(cluster, namespace, home)
    path = journals(home)[0]
    lines = path.read_text().splitlines()
    first = {**json.loads(lines[0]), "server": "https://elsewhere:6443"}
    path.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    result = janitor.sweep_journals()
    assert "another cluster" in result.left[0]
    assert objects(cluster, namespace, capture) != ""
    assert path.exists()


def test_a_foreign_object_of_the_same_name_is_left_alone(cluster: Cluster, namespace: str, home: Path) -> None:
    capture = abandoned(cluster, namespace, home)
    name = objects(cluster, namespace, capture).split()[0].partition("/")[2]
    cluster.kubectl("label", "configmap", name, "-n", namespace, "k8s-extcap/capture=somebodys", "--overwrite")
    janitor.sweep_journals()
    assert name in cluster.kubectl("get", "configmap", "-n", namespace, "-o", "name")


def make(cluster: Cluster, namespace: str, name: str, made_by: str, label: str = "k8s-extcap") -> None:
    container = {"name": "c", "image": cluster.image("pause"), "imagePullPolicy": "IfNotPresent"}
    meta = {
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": label},
        "annotations": {owner.ANNOTATION: made_by} if made_by else {},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeSelector": {"none": "none"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))


def test_by_labels_only_what_a_dead_capture_of_this_user_made(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = owner.me().replace(owner.boot(), "an-earlier-boot")
    make(cluster, namespace, "mine-dead", dead)
    make(cluster, namespace, "mine-alive", owner.me())
    make(cluster, namespace, "anothers", "eve@elsewhere/boot/1-1")
    make(cluster, namespace, "nameless", "")
    make(cluster, namespace, "other-tool", dead, label="helm")
    session = open_session(Connection(kubeconfig=str(cluster.admin)))
    # The server's clock decides: seconds after their creation none is old enough to be an orphan for certain.
    assert janitor.sweep_objects(session, (namespace,)).removed == []
    monkeypatch.setattr(janitor, "FRESH", -60.0)
    result = janitor.sweep_objects(session, (namespace,))
    assert result.removed == [f"pod {namespace}/mine-dead"]
    assert result.left == []
    left = cluster.kubectl("get", "pod", "-n", namespace, "-o", "name").split()
    assert sorted(left) == ["pod/anothers", "pod/mine-alive", "pod/nameless", "pod/other-tool"]


def test_who_may_list_one_namespace_only_cleans_there(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(Connection(kubeconfig=str(cluster.dev)))
    assert janitor.sweep_objects(session) == janitor.Result([], [])
    named = janitor.sweep_objects(session, ("kube-system",))
    assert any("kube-system" in sentence for sentence in named.left)
