"""An ephemeral container that is used again, and one that ends itself just before it would be."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from k8s_extcap.edge.fifo import open_output
from k8s_extcap.model.ids import Name
from k8s_extcap.model.plan import Plan
from k8s_extcap.model.report import Report
from k8s_extcap.model.request import CaptureRequest, Connection, Limits
from k8s_extcap.run.capture import Watch, capture
from k8s_extcap.run.stop import Stop
from testbed.cluster.handle import Cluster
from testbed.far import FarSide
from tests.cluster.test_methods import copy

pytestmark = pytest.mark.cluster
POD = "client-n2"


@pytest.fixture
def namespace(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With a pod that talks: entries in it go when it goes."""
    cluster.need_bed("a node to look into")
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    made = cluster.new_namespace()
    copy(cluster, "team", POD, made)
    cluster.wait_ready(POD, made)
    yield made
    cluster.delete_namespace(made)


def captured(cluster: Cluster, namespace: str, file: Path, on_plan: Callable[[Plan], None]) -> Report:
    """Three packets by the method ephemeral."""
    request = CaptureRequest(
        Name("pod", namespace, POD),
        method="ephemeral",
        limits=Limits(packets=3, seconds=30),
        connection=Connection(kubeconfig=str(cluster.admin)),
    )

    async def run() -> Report:
        sink = await open_output(str(file))
        try:
            return await capture(request, sink, Stop(), Watch(on_plan=lambda plan, _note: on_plan(plan)))
        finally:
            sink.close()

    return asyncio.run(run())


def test_one_that_ended_meanwhile_gives_way_to_a_new_one(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    plans: list[Plan] = []
    assert captured(cluster, namespace, tmp_path / "1", plans.append).sum.packets == 3
    assert captured(cluster, namespace, tmp_path / "2", plans.append).sum.packets == 3
    made, again = plans
    assert (made.reuses, again.reuses) == ("", made.execs[0].container)

    def ends_itself(plan: Plan) -> None:
        """Between the look at the pod and the exec."""
        plans.append(plan)
        if plan.reuses:
            os.kill(FarSide(cluster, cluster.pod(POD, namespace), plan.reuses).pid, signal.SIGKILL)

    report = captured(cluster, namespace, tmp_path / "3", ends_itself)
    assert report.sum.packets == 3
    assert [plan.reuses for plan in plans[2:]] == [made.execs[0].container, ""]
    spec = cluster.get("pod", POD, "-n", namespace)["spec"]
    entries = sorted(entry["name"] for entry in spec["ephemeralContainers"])
    assert entries == sorted((made.execs[0].container, plans[-1].execs[0].container))
