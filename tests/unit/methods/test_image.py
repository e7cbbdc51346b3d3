"""Which image runs: the one that was named, the target's own, or the default; none where none is wanted."""

from __future__ import annotations

import re

import pytest

from k8s_extcap.methods import beside, ladder
from k8s_extcap.model.errors import MethodError
from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import ContainerFacts, Facts, Target
from k8s_extcap.model.request import CaptureRequest, Helper
from k8s_extcap.wireshark.options import HELPER_IMAGE
from tests.unit.methods.samples import BINARIES, HELPER, facts, inside, request, target

DEFAULT, NONE = Helper(image=HELPER_IMAGE), Helper()
SCRATCH = facts(ContainerFacts("app", shell=False), node_arch="amd64")
SHELL = facts(inside(cap_eff=0))
BARE = facts(inside(cap_eff=0, tools=("dd",)))
NODE = Target("ctx", "tools", Pod(), node="n1", is_node=True)
OF_NODE = Facts(binaries=BINARIES, node_arch="amd64")


def test_the_default_is_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"registry\.k8s\.io/[a-z0-9/-]+:[0-9.-]+@sha256:[0-9a-f]{64}", HELPER_IMAGE)


@pytest.mark.parametrize(
    ("helper", "known", "image"),
    [
        (HELPER, SHELL, HELPER.image),
        (HELPER, SCRATCH, HELPER.image),
        (DEFAULT, SHELL, "shop/app:1"),
        (DEFAULT, BARE, HELPER_IMAGE),
        (DEFAULT, SCRATCH, HELPER_IMAGE),
        (NONE, SHELL, "shop/app:1"),
        (NONE, SCRATCH, ""),
    ],
)
def test_the_ephemeral_containers(helper: Helper, known: Facts, image: str) -> None:
    asked = request(method="ephemeral", helper=helper)
    assert beside.image_of(asked, target(), known)[0] == image
    if not image:
        with pytest.raises(MethodError, match="--helper-image"):
            ladder.plan(asked, target(), known, "0" * 10)
        return
    plan = ladder.plan(asked, target(), known, "0" * 10)
    assert plan.steps[0].body["spec"]["ephemeralContainers"][0]["image"] == image
    assert ("from the default helper image" in plan.why) == (image == HELPER_IMAGE)


def node(helper: Helper) -> CaptureRequest:
    return request(method="nsenter", helper=helper)


@pytest.mark.parametrize("helper", [HELPER, DEFAULT])
def test_the_helper_pods(helper: Helper) -> None:
    plan = ladder.plan(node(helper), NODE, OF_NODE, "0" * 10)
    assert plan.steps[0].body["spec"]["template"]["spec"]["containers"][0]["image"] == helper.image
    assert ("from the default helper image" in plan.why) == (helper is DEFAULT)


def test_a_helper_pod_never_runs_the_targets_own_image() -> None:
    with pytest.raises(MethodError, match="--helper-image"):
        ladder.plan(node(NONE), target(), SHELL, "0" * 10)
