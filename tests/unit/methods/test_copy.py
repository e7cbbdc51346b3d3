"""The copy: whose pod may run twice, with which labels, and what its object looks like."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.methods import copy, ladder
from k8s_extcap.model.errors import MethodError
from k8s_extcap.model.objects import Meta, OwnerReference, Pod, Volume
from k8s_extcap.model.plan import Facts
from k8s_extcap.model.request import Connection, Limits
from tests.unit.methods.samples import facts, pod, request, target

OWN = {"app": "web", "tier": "front", "pod-template-hash": "abc"}
RAW: dict[str, Any] = {
    "metadata": {"name": "web-1", "labels": OWN},
    "spec": {
        "nodeName": "n1",
        "containers": [{"name": "app", "image": "shop/app:1", "livenessProbe": {}, "readinessProbe": {}}],
        "ephemeralContainers": [{"name": "k8s-extcap-old"}],
        "terminationGracePeriodSeconds": 600,
    },
}


def labelled(labels: dict[str, str], **meta: Any) -> Pod:
    return msgspec.structs.replace(pod(), metadata=Meta(name="web-1", namespace="shop", labels=labels, **meta))


LABELS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xy"), max_size=4)


@given(own=LABELS, services=st.lists(LABELS, max_size=3), controllers=st.lists(LABELS, max_size=3))
def test_labels_that_are_kept_reach_the_service_and_no_controller(
    own: dict[str, str], services: list[dict[str, str]], controllers: list[dict[str, str]]
) -> None:
    got = copy.kept(labelled(own), Facts(services=tuple(services), controllers=tuple(controllers)))
    selecting = [s for s in services if s and s.items() <= own.items()]
    if isinstance(got, dict):
        assert selecting
        assert got.items() <= own.items()
        assert all(s.items() <= got.items() for s in selecting)
        assert not any(c.items() <= got.items() for c in controllers)
    elif selecting:
        least = {k: own[k] for s in selecting for k in s}
        assert any(c.items() <= least.items() for c in controllers)


def test_unknown_controllers_are_no_permission() -> None:
    assert isinstance(copy.kept(labelled(OWN), Facts(services=({"app": "web"},))), str)


def test_the_object() -> None:
    found = labelled(OWN)
    known = facts(raw=RAW, services=({"app": "web"},), controllers=({"app": "web", "pod-template-hash": "abc"},))
    made = copy.body(request(method="copy", service_labels=True), target(found), known, "shop/app:1", "0" * 10)
    assert made["metadata"]["labels"].items() >= {"app": "web", "k8s-extcap/capture": "0" * 10}.items()
    assert not {"tier", "pod-template-hash"} & set(made["metadata"]["labels"])
    assert [c["name"] for c in made["spec"]["containers"]] == ["app", "k8s-extcap"]
    assert "livenessProbe" not in made["spec"]["containers"][0]
    assert "readinessProbe" in made["spec"]["containers"][0]
    assert not {"nodeName", "ephemeralContainers"} & set(made["spec"])
    assert made["spec"]["terminationGracePeriodSeconds"] == 5
    assert RAW["spec"]["nodeName"] == "n1"
    plain = copy.body(request(method="copy"), target(found), known, "shop/app:1", "0" * 10)
    assert set(plain["metadata"]["labels"]) == {"app.kubernetes.io/managed-by", "k8s-extcap/capture"}
    assert "readinessProbe" not in plain["spec"]["containers"][0]


TIMES: dict[str, tuple[dict[str, Any], int, int]] = {
    "no limit": ({}, 50, 86_400),
    "a slow API server": ({"connection": Connection(timeout=600)}, 1230, 86_400),
    "a limit": ({"limits": Limits(seconds=90.5)}, 50, 121 + 20 + 60),
    "a limit and a long wait": (
        {"limits": Limits(seconds=90), "connection": Connection(wait=3600)},
        50,
        3690 + 20 + 60,
    ),
    "a limit of a week": ({"limits": Limits(seconds=604_800)}, 50, 86_400),
}


@pytest.mark.parametrize("name", TIMES)
def test_it_ends_itself_soon_after_its_capture_and_never_before(name: str) -> None:
    asked, idle, last = TIMES[name]
    raw = {"spec": {**RAW["spec"], "volumes": [{"name": "own", "emptyDir": {}}], "activeDeadlineSeconds": 5}}
    spec = copy.body(request(method="copy", **asked), target(), facts(raw=raw), "i", "0" * 10)["spec"]
    app, ours = spec["containers"]
    assert spec["activeDeadlineSeconds"] == last
    assert ours["command"][4:6] == [str(idle), str(last)]
    (mount,) = ours["volumeMounts"]
    assert ours["command"][-1] == mount["mountPath"]
    assert spec["volumes"] == [
        {"name": "own", "emptyDir": {}},
        {"name": mount["name"], "emptyDir": {"sizeLimit": "1Mi"}},
    ]
    assert "volumeMounts" not in app
    assert "resources" not in ours  # a limit on its storage would be one on the application's


@pytest.mark.parametrize(("priority", "ends"), [(0, "minutes"), (1_999_999_999, "minutes"), (2_000_000_000, "a day")])
def test_the_kubelet_evicts_no_critical_pod(priority: int, ends: str) -> None:
    raw = {"spec": {**RAW["spec"], "priority": priority}}
    plan = ladder.plan(request(method="copy"), target(), facts(raw=raw), "0" * 10)
    assert f"ends itself within {ends} and waits for the next clean-up" in plan.leaves


REFUSED: dict[str, tuple[Pod, dict[str, Any], str]] = {
    **{
        kind: (labelled(OWN, owner_references=(OwnerReference(kind, "x", controller=True),)), RAW, f"to {kind} x")
        for kind in ("StatefulSet", "DaemonSet", "Job")
    },
    "claim": (pod(volumes=(Volume("data", {"claimName": "c"}),)), RAW, "volume data is claimed"),
    "own claim": (pod(volumes=(Volume("data", ephemeral={"volumeClaimTemplate": {}}),)), RAW, "volume data is claimed"),
    "node's folder": (pod(volumes=(Volume("log", host_path={"path": "/var"}),)), RAW, "volume log is a folder"),
    "node's network": (pod(host_network=True), RAW, "ports of its node"),
    "node's port": (
        pod(),
        {"spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]}},
        "ports of its node",
    ),
    "unreadable": (pod(), {}, "could not be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_pod_that_must_not_run_twice_is_refused(name: str) -> None:
    found, raw, words = REFUSED[name]
    with pytest.raises(MethodError) as caught:
        ladder.plan(request(method="copy"), target(found), facts(raw=raw), "0" * 10)
    assert words in caught.value.sentence


def test_labels_that_a_controller_selects_are_refused() -> None:
    known = facts(raw=RAW, services=({"app": "web"},), controllers=({"app": "web"},))
    with pytest.raises(MethodError, match="would adopt the copy"):
        ladder.plan(request(method="copy", service_labels=True), target(labelled(OWN)), known, "0" * 10)


def test_it_says_what_it_does() -> None:
    plan = ladder.plan(request(method="copy"), target(), facts(raw=RAW), "0" * 10)
    assert "this runs your application a second time" in plan.why
    assert plan.steps[0].undo
