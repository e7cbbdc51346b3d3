"""What cannot be captured, and by which method: on the demo cluster, shown by the real tshark."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Stage

pytestmark = [pytest.mark.tshark, pytest.mark.demo]


@pytest.fixture
def stage(tshark_native: Tshark, demo: DemoCluster) -> Stage:
    made = Stage(tshark_native)
    made.config(demo.kubeconfig)
    return made


class Case(NamedTuple):
    key: str
    interface: str
    options: tuple[str, ...]
    when: str
    do: str


SHORT = ("--wait", "1")
ONLY = ("--method", "resident")
CASES = (
    Case("pod-gone", "k8s-pod-shop.gone", (), "The pod is not there.", "Refresh the list."),
    Case("pod-replaced", "k8s-pod-shop.web-aaaaaaaaaa-bbbbb", (), "The pod was replaced by its workload.",
         "Take one of those named."),
    Case("namespace-gone", "k8s-pod-nowhere.edge", (), "The namespace is not there.", "Refresh the list."),
    Case("container-gone", "k8s-container-shop.edge.zz", (), "The pod has no such container.", "Take one of those."),
    Case("container-option", "k8s-pod-shop.checkout", ("--container", "zz"), "The same, by option.", "Take one."),
    Case("pod-pending", "k8s-pod-lab.pending", SHORT, "The pod is not scheduled.", "kubectl describe pod."),
    Case("pod-completed", "k8s-pod-lab.once-x2j7k", (), "The pod has completed.", "Choose one that runs."),
    Case("pod-crashing", "k8s-pod-lab.crashing", SHORT, "The pod crashes again and again.", "kubectl describe pod."),
    Case("pod-no-image", "k8s-pod-lab.no-image", SHORT, "The pod's image cannot be pulled.", "kubectl describe pod."),
    Case("node-gone", "k8s-node-nowhere", (), "The node is not there.", "k8s-extcap list."),
    Case("workload-gone", "k8s-deploy-shop.gone", (), "The Deployment is not there.", "k8s-extcap list."),
    Case("service-gone", "k8s-svc-shop.gone", (), "The Service is not there.", "k8s-extcap list."),
    Case("namespace-empty", "k8s-ns-empty", (), "The namespace has no pods, or is not there.", "k8s-extcap list."),
    Case("no-tcpdump", "k8s-pod-shop.checkout", (*ONLY, "--container", "app"), "The container has no tcpdump.",
         "Use upload, or auto."),
    Case("no-tcpdump-there", "k8s-pod-lab.sender", (*ONLY, "--tcpdump", "/opt/tcpdump"), "No tcpdump at that path.",
         "Correct the option."),
    Case("no-capability", "k8s-pod-lab.non-root", ONLY, "The container's user may not capture.", "ephemeral, or auto."),
    Case("no-shell", "k8s-pod-shop.edge", ("--method", "upload"), "The container has no shell.", "ephemeral, or auto."),
    Case("no-helper-image", "k8s-node-demo-1", ("--helper-image", "none"),
         "A node needs a helper image; none is wanted.", "Set one."),
    Case("policy", "k8s-pod-locked.hardened", (), "Pod security refuses an ephemeral container.",
         "nsenter with a helper elsewhere, or the label."),
    Case("may-use-too-small", "k8s-pod-lab.non-root", ("--allow", "upload"), "May use does not allow what would work.",
         "Allow it, or name the method."),
)  # fmt: skip


@pytest.mark.usefixtures("payload")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.key)
def test_what_cannot_be_captured(case: Case, stage: Stage) -> None:
    check(case.key, stage.show(case.interface, *case.options), case.when, case.do)


RIGHTS = (
    Case("exec-not-allowed", "k8s-pod-shop.edge", ("--context", "demo-viewer"), "You may read pods, not exec.",
         "Ask for the Role."),
    Case("exec-no-create", "k8s-pod-shop.edge", ("--context", "demo-nocreate"),
         "You may get pods/exec but not create it (needed since 1.35).", "Ask for the Role."),
    Case("pods-not-allowed", "k8s-pod-lab.sender", ("--context", "demo-dev"), "You may not read pods there.",
         "Ask for the right; use your namespace."),
    Case("list-not-allowed", "k8s-deploy-shop.web", ("--context", "demo-nolist"), "You may not list pods.",
         "Name a pod."),
)  # fmt: skip


@pytest.mark.parametrize("case", RIGHTS, ids=lambda c: c.key)
def test_what_you_may_not(case: Case, stage: Stage) -> None:
    check(case.key, stage.show(case.interface, *case.options), case.when, case.do)


WRONG = (
    Case("filter-wrong", "k8s-pod-lab.sender", ("--filter", "tcp port"), "The capture filter is not valid.",
         "Correct it: pcap-filter(7)."),
    Case("filter-unknown-host", "k8s-pod-lab.sender", ("--filter", "host no-such-host.invalid"),
         "The filter names a host that does not resolve in the pod.", "Write its address."),
    Case("filter-hostile", "k8s-pod-lab.sender", ("--filter", "$(touch /tmp/canary); `id` '\" -w /tmp/x"),
         "The filter is none at all.", "Correct it."),
    Case("nic-missing", "k8s-pod-lab.sender", ("--nic", "eth7"), "The pod has no such network interface.",
         "Leave the option empty."),
)  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=lambda c: c.key)
def test_what_is_wrong_is_told_at_once_and_nothing_larger_is_tried(case: Case, stage: Stage) -> None:
    """No other method would make a wrong filter right: `auto` must not add a container to the pod for it."""
    check(case.key, stage.show(case.interface, *case.options), case.when, case.do)
    assert "step patch" not in stage.log()


@pytest.mark.usefixtures("payload")
def test_the_advice_is_true(stage: Stage, demo_factory: Callable[..., AbstractContextManager[DemoCluster]]) -> None:
    """`no-capability` says that ephemeral would work: it does, in a cluster of its own, as the container stays."""
    with demo_factory() as own:
        stage.config(own.kubeconfig)
        done = stage.run("k8s-pod-lab.non-root", "--method", "ephemeral", "--limit-time", "1")
    assert "extcap pipe" not in done.stderr
    assert (stage.home / "ended").read_text() == "0\n"
