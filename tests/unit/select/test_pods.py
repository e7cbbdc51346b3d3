from __future__ import annotations

import pytest

from k8s_extcap.model.objects import Pod
from k8s_extcap.select import pods
from tests.unit.select.samples import pod, web

STATES = [
    (pod("a"), "running", ""),
    (pod("a", ready=False), "not ready", ""),
    (pod("a", deleted=True), "being deleted", "being deleted"),
    (pod("a", phase="Succeeded", containers={"app": "x"}), "completed", "completed"),
    (pod("a", phase="Failed", containers={"app": "x"}), "failed", "failed"),
    (pod("a", ready=False, node="", containers={}), "not scheduled", "not scheduled"),
    (
        pod("a", ready=False, containers={"app": "CrashLoopBackOff"}),
        "CrashLoopBackOff",
        "none of its containers runs (CrashLoopBackOff)",
    ),
    (
        pod("a", ready=False, phase="Pending", containers={"app": "ContainerCreating"}),
        "pending",
        "none of its containers runs (ContainerCreating)",
    ),
    (Pod(), "not scheduled", "not scheduled"),
]


@pytest.mark.parametrize(("item", "state", "unfit"), STATES)
def test_state_and_fitness(item: Pod, state: str, unfit: str) -> None:
    assert (pods.state(item), pods.unfit(item)) == (state, unfit)


def test_the_container_that_is_named_must_run() -> None:
    item = pod("a", containers={"app": "running", "tools": "ImagePullBackOff"})
    assert pods.unfit(item, "app") == ""
    assert pods.unfit(item, "tools") == "container tools does not run (ImagePullBackOff)"
    assert pods.unfit(item, "db") == "has no container db"
    assert pods.hopeful(item, "tools")
    assert not pods.hopeful(item, "db")


def test_a_pod_that_is_leaving_can_be_captured_when_named() -> None:
    leaving = pod("a", deleted=True)
    assert pods.unfit(leaving, leaving=True) == ""
    assert not pods.hopeful(leaving)


@pytest.mark.parametrize(
    ("item", "workload"),
    [
        (web("web-7d9f-x"), ("deploy", "web")),
        (pod("web-x", owner=("ReplicaSet", "web")), ("rs", "web")),
        (pod("db-0", owner=("StatefulSet", "db")), ("sts", "db")),
        (pod("agent-x", owner=("DaemonSet", "agent")), ("ds", "agent")),
        (pod("batch-x", owner=("Job", "batch")), ("job", "batch")),
        (pod("x", owner=("Rollout", "x")), ("", "")),
        (pod("lone"), ("", "")),
    ],
)
def test_what_made_it(item: Pod, workload: tuple[str, str]) -> None:
    assert pods.workload(item) == workload
