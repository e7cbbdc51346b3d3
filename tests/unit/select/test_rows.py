from __future__ import annotations

import random

from k8s_extcap.model.ids import Name, render
from k8s_extcap.model.objects import Pod
from k8s_extcap.select import rows
from k8s_extcap.select.rows import Best, Pods
from tests.unit.select.samples import pod, web


def listed(pods: list[Pod], limit: int) -> list[str]:
    best, projected = Best(limit), Pods()
    for item in pods:
        for row in projected.rows(item):
            best.offer(row)
    return [row.name.name for row in best.rows()]


def test_what_tells_pods_apart_comes_first() -> None:
    row = rows.pod(pod("web-7d9f8b6c5-x2x4z", ip="10.1.2.3"))
    assert row.display() == "web-7d9f8b6c5-x2x4z, shop, running, 10.1.2.3"
    assert row.display("prod") == "web-7d9f8b6c5-x2x4z, shop, running, 10.1.2.3, prod"
    assert render(row.name) == "k8s-pod-shop.web-7d9f8b6c5-x2x4z"


def test_a_display_has_always_several_words() -> None:
    for row in (rows.pod(pod("a", ip="")), rows.remembered(Name("node", name="n1")), rows.remembered(Name("ns", "a"))):
        assert " " in row.display()


def test_a_long_name_keeps_both_ends() -> None:
    name = "head" + "x" * 245 + "tail"
    assert rows.shown(name).startswith("head")
    assert rows.shown(name).endswith("tail")
    assert len(rows.shown(name)) == rows.NAME_SHOWN
    assert rows.shown("short") == "short"


def test_each_workload_comes_before_any_has_two() -> None:
    pods = [web(f"web-7d9f-{n}") for n in range(5)] + [pod("db-0", owner=("StatefulSet", "db")), pod("lone")]
    assert listed(pods, 3) == ["db-0", "lone", "web-7d9f-0"]
    assert listed(pods, 4) == ["db-0", "lone", "web-7d9f-0", "web-7d9f-1"]
    assert len(listed(pods, 100)) == 7


def test_those_that_are_not_ready_come_last_and_those_that_ended_never() -> None:
    pods = [
        pod("a", ready=False),
        pod("b"),
        pod("c", phase="Succeeded"),
        pod("d", labels={"app.kubernetes.io/managed-by": "k8s-extcap"}),
    ]
    assert listed(pods, 9) == ["b", "a"]


def test_the_best_of_many_in_any_order() -> None:
    everything = [rows.pod(pod(f"p-{n:03}")) for n in range(300)]
    random.Random(1).shuffle(everything)
    best = Best(10)
    for row in everything:
        best.offer(row)
    assert [row.name.name for row in best.rows()] == [f"p-{n:03}" for n in range(10)]
    assert best.seen == 300


def test_nothing_is_kept_of_nothing() -> None:
    best = Best(0)
    best.offer(rows.pod(pod("a")))
    assert best.rows() == []


def test_containers_are_rows_of_their_own() -> None:
    found = rows.containers(pod("web-1", containers={"app": "running", "tools": "running"}))
    assert [render(row.name) for row in found] == [
        "k8s-container-shop.web-1.app",
        "k8s-container-shop.web-1.tools",
    ]
    assert found[1].display().startswith("tools, web-1, shop")
