from __future__ import annotations

import itertools

import pytest

from k8s_extcap.model.errors import LIMIT, TargetError
from k8s_extcap.model.ids import Name, identity_digest
from k8s_extcap.model.objects import Expression, LabelSelector, Pod
from k8s_extcap.select import targets
from tests.unit.select.samples import pod, web

DEPLOY = Name("deploy", "shop", "web")


def test_a_pod_is_its_own_target() -> None:
    target = targets.pod_target(pod("web-1", node="n2"), "prod", "app")
    assert (target.context, target.namespace, target.name, target.container, target.node) == (
        "prod",
        "shop",
        "web-1",
        "app",
        "n2",
    )
    assert not target.is_node


def test_a_container_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(TargetError, match=r"has no container db\. It has: app, web\."):
        targets.pod_target(pod("web-1", containers={"app": "running", "web": "running"}), "prod", "db")


def test_one_ready_pod_is_chosen_whatever_the_order() -> None:
    old, young = web("web-7d9f-b", created="2026-01-01T00:00:00Z"), web("web-7d9f-a", created="2026-03-01T00:00:00Z")
    sick, gone = web("web-7d9f-0", ready=False, containers={"app": "CrashLoopBackOff"}), web("web-7d9f-1", deleted=True)
    for order in itertools.permutations([old, young, sick, gone]):
        chosen, sentence = targets.choose(DEPLOY, order)
        assert chosen is old
        assert sentence == (
            "Of Deployment shop/web pod web-7d9f-b is captured, one of 2 that run; not usable: "
            "web-7d9f-1 (being deleted), web-7d9f-0 (none of its containers runs (CrashLoopBackOff))."
        )


def test_one_that_is_not_ready_will_do_and_that_is_said() -> None:
    chosen, sentence = targets.choose(DEPLOY, [web("web-7d9f-a", ready=False)])
    assert chosen is not None
    assert sentence == "Of Deployment shop/web pod web-7d9f-a is captured, although it is not ready."


def test_none_that_can_be_captured() -> None:
    none, why = targets.choose(DEPLOY, [])
    assert none is None
    assert why.startswith("No pod of Deployment shop/web can be captured: it has no pods")
    many = [pod(f"web-{n}", phase="Succeeded") for n in range(9)]
    chosen, sentence = targets.choose(DEPLOY, many)
    assert chosen is None
    assert sentence.endswith("web-0 (completed), web-1 (completed), web-2 (completed) and 6 more.")
    assert len(sentence) < LIMIT


def test_helpers_of_ours_are_nobodys_target() -> None:
    helper = pod("k8s-extcap-1", labels={"app.kubernetes.io/managed-by": "k8s-extcap"}, created="2020")
    chosen, _ = targets.choose(Name("ns", "shop"), [helper, pod("web-1")])
    assert chosen is not None
    assert chosen.metadata.name == "web-1"


def test_the_container_decides() -> None:
    with_it = web("web-7d9f-b", containers={"app": "running", "tools": "running"}, created="2026-05")
    chosen, sentence = targets.choose(DEPLOY, [web("web-7d9f-a"), with_it], "tools")
    assert chosen is with_it
    assert "web-7d9f-a (has no container tools)" in sentence


@pytest.mark.parametrize("kind", ["pod", "container"])
def test_a_digest_is_found_by_hashing(kind: str) -> None:
    long = "p" * 200
    wanted = pod(long, containers={"app": "running", "tools": "running"})
    container = "tools" if kind == "container" else ""
    name = Name(kind, "shop", digest=identity_digest(kind, "shop", long, container))
    assert targets.by_digest(name, [pod("other"), wanted]) == (wanted, container)
    assert targets.by_digest(name, [pod("other")]) is None


PRESENT = [
    web("web-84cc-c"),
    web("web-84cc-a"),
    web("web-84cc-b"),
    web("web-84cc-d"),
    pod("web-admin-5f5f-x", owner=("ReplicaSet", "web-admin-5f5f"), labels={"pod-template-hash": "5f5f"}),
    pod("db-0", owner=("StatefulSet", "db")),
    pod("lone"),
]


@pytest.mark.parametrize(
    ("gone", "alias", "suggested"),
    [
        ("web-7d9f-x", "", "k8s-pod-shop.web-84cc-a, k8s-pod-shop.web-84cc-b, k8s-pod-shop.web-84cc-c."),
        ("web-admin-7777-x", "", "k8s-pod-shop.web-admin-5f5f-x."),
        ("db-1", "prod-0123", "k8s-pod-prod-0123_shop.db-0."),
    ],
)
def test_a_pod_that_is_gone_has_successors(gone: str, alias: str, suggested: str) -> None:
    error = targets.gone(Name("pod", "shop", gone, alias=alias), PRESENT)
    assert error.sentence.endswith(f"Of the same workload there is now: {suggested}")
    assert error.sentence.startswith(f"Pod shop/{gone} is not there any more.")


@pytest.mark.parametrize("gone", ["lone-2", "webmail-1", "nothing"])
def test_a_pod_that_is_gone_without_successors(gone: str) -> None:
    sentence = targets.gone(Name("pod", "shop", gone), PRESENT).sentence
    assert "k8s-pod-" not in sentence
    assert "k8s-extcap list" in sentence


def test_a_selector_is_written_as_the_api_reads_it() -> None:
    selector = LabelSelector(
        {"app": "web", "tier": "front"},
        (
            Expression("env", "In", ("prod", "test")),
            Expression("old", "NotIn", ("yes",)),
            Expression("a", "Exists"),
            Expression("b", "DoesNotExist"),
        ),
    )
    assert targets.label_selector(selector) == "app=web,tier=front,env in (prod,test),old notin (yes),a,!b"
    assert targets.label_selector(LabelSelector()) == ""


def test_a_pod_without_anything_is_no_crash() -> None:
    assert targets.choose(DEPLOY, [Pod()])[0] is None
