"""A container that is restarted in place is picked up again, on the real cluster: in one file, with the gap in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from testbed.cluster.handle import Cluster, PodInfo
from testbed.far import FarSide
from testbed.truth.whole import ends_whole
from testbed.wait import until
from tests.cluster.lasting import Capture, talking

pytestmark = [pytest.mark.cluster, pytest.mark.tshark]


@pytest.fixture
def pod(cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> PodInfo:
    """A pod of its own: the kubelet waits longer each time."""
    return talking(cluster, namespace, request.param)


def restarts(cluster: Cluster, pod: PodInfo) -> int:
    status = cluster.get("pod", pod.name, "-n", pod.namespace)["status"]["containerStatuses"][0]
    return int(status["restartCount"]) if "running" in status["state"] else -1


@pytest.mark.parametrize(
    ("pod", "method", "gaps"),
    [("n1", "resident", 1), ("n2", "upload", 1), ("n2", "ephemeral", 0)],
    indirect=["pod"],
    ids=["resident-n1", "upload-n2", "ephemeral-n2"],
)
def test_a_container_that_restarts_is_picked_up_again(
    cluster: Cluster, tmp_path: Path, pod: PodInfo, method: str, gaps: int
) -> None:
    """An ephemeral container lives on beside one that restarts, and so does the pod's network: nothing is missed."""
    with Capture(cluster.kubeconfig, tmp_path, pod, "--method", method) as capture:
        assert capture.grows()
        cluster.kubectl("exec", "-n", pod.namespace, pod.name, "-c", "app", "--", "kill", "1", check=False)
        assert until(lambda: restarts(cluster, pod) == 1, 60)
        assert capture.grows()
        said = capture.end()
    assert said.count("The capture has a gap from") == gaps, said
    assert ends_whole(capture.file)
    names = subprocess.run(
        ["tshark", "-r", str(capture.file), "-T", "fields", "-e", "frame.interface_name"],
        capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    assert set(filter(None, names)) == {f"{pod.namespace}/again eth0"}
    assert FarSide(cluster, pod).gone(2)


@pytest.mark.parametrize("pod", ["n1"], indirect=True)
def test_a_pod_that_is_deleted_ends_it_with_a_sentence(cluster: Cluster, tmp_path: Path, pod: PodInfo) -> None:
    with Capture(cluster.kubeconfig, tmp_path, pod, "--method", "resident") as capture:
        assert capture.grows()
        cluster.kubectl("delete", "pod", pod.name, "-n", pod.namespace, "--wait=false")
        _, said = capture.process.communicate(timeout=60)
    assert capture.process.returncode == 7, said
    last = said.splitlines()[-1]
    assert f"od {pod.namespace}/again" in last
    assert ends_whole(capture.file)
