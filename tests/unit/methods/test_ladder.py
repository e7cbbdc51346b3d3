"""Which method is taken: the smallest that works within what was allowed; and what is said where none is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import yaml

from k8s_extcap.methods import admission, ladder, special
from k8s_extcap.model.errors import LIMIT, MethodError
from k8s_extcap.model.objects import (
    Container,
    ContainerStatus,
    Pod,
    PodOs,
    PodStatus,
    SecurityContext,
    State,
    StateDetail,
)
from k8s_extcap.model.plan import ContainerFacts, Facts, Place, Target
from k8s_extcap.model.request import METHODS, MethodName
from tests.unit.methods.samples import BINARIES, HELPER, facts, inside, pod, request, target

NOWHERE = msgspec.structs.replace(pod().spec, node_name="")
RESIDENT: dict[str, Any] = {"tcpdump": "/usr/bin/tcpdump", "tcpdump_version": (4, 99, 3), "tcpdump_caps": False}
POLICY = 'pods "web-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
NO_SHELL = ContainerFacts("app", shell=False)

# What is there -> what `auto` takes at each "May use": resident, upload, ephemeral, nsenter ("-": an error).
CHOICES: dict[str, tuple[Facts, str]] = {
    "tcpdump in the image": (facts(inside(**RESIDENT)), "resident resident resident resident"),
    "ordinary": (facts(), "- upload upload upload"),
    "file capability": (
        facts(inside(uid=1000, cap_eff=0, **{**RESIDENT, "tcpdump_caps": True})),
        "resident resident resident resident",
    ),
    "not root": (facts(inside(uid=1000, cap_eff=0)), "- - ephemeral ephemeral"),
    "capabilities dropped": (facts(inside(cap_eff=0)), "- - ephemeral ephemeral"),
    "read-only root": (facts(inside(places=(Place("/dev", 64 << 20, tmpfs=True),))), "- upload upload upload"),
    "nowhere to write": (facts(inside(places=())), "- - ephemeral ephemeral"),
    "scratch": (facts(NO_SHELL, node_arch="amd64"), "- - ephemeral ephemeral"),
    "baseline": (
        facts(inside(cap_eff=0), dry_run={admission.WITH_RAW: POLICY, admission.PLAIN: None}),
        "- - ephemeral ephemeral",
    ),
    "restricted": (
        facts(inside(cap_eff=0), dry_run={admission.WITH_RAW: POLICY, admission.PLAIN: POLICY}),
        "- - - nsenter",
    ),
    "restricted by label only": (facts(inside(cap_eff=0), enforce="restricted"), "- - - nsenter"),
    "no right to patch": (
        facts(inside(cap_eff=0), may={"patch pods/ephemeralcontainers": False}),
        "- - - nsenter",
    ),
    "no memory": (
        facts(inside(**RESIDENT, memory_limit=32 << 20, memory_used=30 << 20)),
        "- - ephemeral ephemeral",
    ),
    "memory on tmpfs": (
        facts(inside(memory_limit=32 << 20, memory_used=22 << 20, places=(Place("/dev", 64 << 20, tmpfs=True),))),
        "- - ephemeral ephemeral",
    ),
    "unknown processor": (facts(inside(machine="sparc64")), "- - - -"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_auto_takes_the_smallest_footprint_that_is_allowed(name: str) -> None:
    known, row = CHOICES[name]
    for allow, wanted in zip(METHODS, row.split(), strict=False):
        asked = request(allow=allow, helper=HELPER)
        if wanted == "-":
            with pytest.raises(MethodError) as caught:
                ladder.plan(asked, target(), known, "0" * 10)
            assert 40 < len(caught.value.sentence) <= LIMIT
            assert "shop/web-1" in caught.value.sentence
        else:
            plan = ladder.plan(asked, target(), known, "0" * 10)
            assert plan.method == wanted, (name, allow, plan.why)
            assert len(plan.why) <= LIMIT
            skipped = METHODS[: METHODS.index(plan.method)]
            assert all(f"Not {m}: " in plan.why for m in skipped)


def test_beyond_the_ceiling_the_error_names_the_method_and_the_option() -> None:
    with pytest.raises(MethodError, match=r"Method upload would capture pod shop/web-1 .* --allow upload"):
        ladder.plan(request(allow="resident"), target(), facts(), "0")


def test_naming_a_method_is_consent_to_it_and_to_no_other() -> None:
    known = facts(inside(**RESIDENT))
    for method in ("resident", "upload", "ephemeral", "nsenter"):
        asked = request(method=method, allow="resident", helper=HELPER)
        assert ladder.plan(asked, target(), known, "0" * 10).method == method
    with pytest.raises(MethodError, match="Method resident cannot capture"):
        ladder.plan(request(method="resident"), target(), facts(), "0")


def test_a_node_is_consent_to_its_helper() -> None:
    node = Target("ctx", "tools", Pod(), node="n1", is_node=True)
    known = Facts(binaries=BINARIES, node_arch="arm64")
    plan = ladder.plan(request(allow="resident", helper=HELPER), node, known, "0" * 10)
    assert plan.method == "nsenter"
    assert plan.execs[0].uploads[1].file == "tcpdump-arm64"


def test_a_method_that_failed_is_not_tried_again() -> None:
    plan = ladder.plan(request(), target(), facts(inside(**RESIDENT)), "0" * 10, {"resident": "tcpdump was killed"})
    assert plan.method == "upload"
    assert "Not resident: it was tried: tcpdump was killed." in plan.why


def test_a_helper_is_privileged_only_after_an_unprivileged_one_failed() -> None:
    known = facts(inside(cap_eff=0), enforce="restricted")
    helper = replace(HELPER, privileged=True)

    def body(method: Any, failed: dict[Any, str]) -> str:
        asked = request(method=method, allow="nsenter", helper=helper)
        return str(ladder.plan(asked, target(), known, "0" * 10, failed).steps[0].body)

    assert "'privileged': True" not in body("auto", {})
    assert "'privileged': True" in body("auto", {"nsenter": "cannot enter"})
    assert "'privileged': True" in body("nsenter", {})


def test_copy_is_never_chosen_by_auto() -> None:
    for allow in METHODS:
        assert "copy" not in ladder.candidates(request(allow=allow), target())


def test_a_missing_right_is_asked_for_as_yaml() -> None:
    known = facts(inside(cap_eff=0), may={"patch pods/ephemeralcontainers": False})
    with pytest.raises(MethodError) as caught:
        ladder.plan(request(), target(), known, "0")
    text = caught.value.sentence.partition("rules: ")[2].rstrip(".")
    assert yaml.safe_load(text) == [{"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]}]


def test_the_policys_own_words_are_in_the_error() -> None:
    with pytest.raises(MethodError, match='violates PodSecurity "restricted:latest"'):
        ladder.plan(request(), target(), CHOICES["restricted"][0], "0")


@pytest.mark.parametrize("method", METHODS)
def test_without_programs_to_upload_it_says_what_that_takes(method: MethodName) -> None:
    with pytest.raises(MethodError) as caught:
        ladder.plan(request(method=method, helper=HELPER), target(), replace(facts(), binaries={}), "0")
    assert "came without the programs that are uploaded" in caught.value.sentence
    assert "It takes an installation from a wheel, or `python -m payload.build` in a" in caught.value.sentence
    assert ("it has no tcpdump" in caught.value.sentence) == (method == "resident")
    assert len(caught.value.sentence) <= LIMIT


@pytest.mark.parametrize(
    ("version", "user", "stays"), [((4, 99, 3), True, True), ((4, 99, 4), True, False), ((4, 99, 4), False, True)]
)
def test_the_tcpdump_that_dies_as_root_runs_as_its_own_user(version: tuple[int, ...], user: bool, stays: bool) -> None:
    there = inside(**{**RESIDENT, "tcpdump_version": version, "tcpdump_user": user})
    command = ladder.plan(request(method="resident"), target(), facts(there), "0").execs[0].command
    assert ("-Z" in command) == stays


def test_a_way_out_is_named_once() -> None:
    with pytest.raises(MethodError) as caught:
        ladder.plan(request(method="ephemeral", helper=HELPER), target(), CHOICES["restricted"][0], "0")
    assert caught.value.sentence.count("nsenter") == 1
    assert caught.value.sentence.endswith("Or method nsenter would work: choose it.")
    with pytest.raises(MethodError, match="or the method nsenter with a helper in another namespace"):
        ladder.plan(request(method="ephemeral"), target(), CHOICES["restricted"][0], "0")


def ended(phase: str) -> Pod:
    status = ContainerStatus(name="app", state=State(terminated=StateDetail(reason="Completed", exit_code=0)))
    return msgspec.structs.replace(pod(), status=PodStatus(phase=phase, container_statuses=(status,)))


def waiting(reason: str) -> Pod:
    status = ContainerStatus(name="app", state=State(waiting=StateDetail(reason=reason)))
    return msgspec.structs.replace(pod(), status=PodStatus(phase="Pending", container_statuses=(status,)))


KINDS: tuple[tuple[str, Pod, dict[str, Any], str, str], ...] = (
    ("Windows node", pod(), {"node_os": "windows"}, "resident", "Windows"),
    ("Windows pod", pod(os=PodOs("windows")), {}, "nsenter", "Windows"),
    ("virtual node", pod(), {"node_virtual": True}, "ephemeral", "virtual"),
    ("virtual node", pod(), {"node_virtual": True}, "nsenter", "no machine behind it"),
    ("gVisor", pod(runtime_class_name="gvisor"), {}, "nsenter", "gVisor"),
    ("Kata", pod(runtime_class_name="kata-qemu"), {}, "nsenter", "Kata"),
    ("static pod", pod(annotations={special.MIRROR: "x"}), {}, "ephemeral", "static pod"),
    ("static pod", pod(annotations={special.MIRROR: "x"}), {}, "copy", "static pod"),
    ("ended", ended("Succeeded"), {}, "upload", "it has ended (Succeeded)"),
    ("image missing", waiting("ImagePullBackOff"), {}, "ephemeral", "ImagePullBackOff"),
    ("not scheduled", msgspec.structs.replace(waiting(""), spec=NOWHERE), {}, "resident", "not scheduled"),
)  # fmt: skip


@pytest.mark.parametrize(("_name", "found", "known", "method", "words"), KINDS)
def test_every_kind_that_cannot_work_has_its_sentence(
    _name: str, found: Pod, known: dict[str, Any], method: Any, words: str
) -> None:
    verdict = ladder.assess(request(helper=HELPER), target(found), facts(**known), method)
    assert verdict.usable is False
    assert words in verdict.sentence


def test_the_host_end_of_a_veth_is_reached_from_the_node() -> None:
    asked = request(interface="host", helper=HELPER, allow="nsenter")
    plan = ladder.plan(asked, target(), facts(inside(**RESIDENT)), "0" * 10)
    assert plan.method == "nsenter"
    assert "tcp port 10250" in " ".join(plan.execs[0].command)


def test_several_containers_the_one_that_can_is_taken() -> None:
    found = pod(names=("app", "side"))
    known = facts(inside("app", cap_eff=0), inside("side"))
    plan = ladder.plan(request(), target(found), known, "0" * 10)
    assert (plan.method, plan.execs[0].container) == ("upload", "side")


def test_a_pod_in_the_nodes_network_leaves_out_its_own_stream() -> None:
    plan = ladder.plan(request(filter="udp"), target(pod(host_network=True)), facts(), "0" * 10)
    words = " ".join(plan.execs[0].command)
    assert "(udp) and not (tcp port 10250 or" in words
    assert "packets of the whole node" in plan.why


def test_three_of_ours_in_a_pod_are_enough() -> None:
    mine = tuple(Container(name=f"k8s-extcap-{n}") for n in range(3))
    verdict = ladder.assess(request(), target(pod(ephemeral_containers=mine)), facts(), "ephemeral")
    assert verdict.usable is False
    assert "3 ephemeral containers" in verdict.sentence


def test_one_of_ours_that_runs_is_used_again() -> None:
    context = SecurityContext(run_as_user=0, capabilities=msgspec.convert({"add": ["NET_RAW"]}, _Caps))
    mine = Container(name="k8s-extcap-old", image="shop/app:1", security_context=context)
    found = pod(ephemeral_containers=(mine,))
    status = ContainerStatus(name="k8s-extcap-old", state=State(running=StateDetail()))
    found = msgspec.structs.replace(
        found, status=msgspec.structs.replace(found.status, ephemeral_container_statuses=(status,))
    )
    plan = ladder.plan(request(method="ephemeral"), target(found), facts(), "0" * 10)
    assert plan.steps == ()
    assert plan.execs[0].container == "k8s-extcap-old"
    assert plan.leaves == "nothing"


@pytest.mark.parametrize("text", ["tcp port 80 and " * 45 + "tcp", "é" * 122, "'" * 400, "tcp or " * 900 + "tcp"])
def test_a_request_line_stays_below_four_kilobytes(text: str) -> None:
    from urllib.parse import urlencode

    asked = request(filter=text, helper=HELPER)
    for method in ("upload", "ephemeral", "nsenter"):
        plan = ladder.plan(replace(asked, method=method), target(), facts(), "0" * 10)
        assert len(urlencode([("command", w) for w in plan.execs[0].command])) < 3900, method


_Caps = type(SecurityContext().capabilities)
