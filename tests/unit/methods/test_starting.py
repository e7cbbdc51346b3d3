"""Whether a container has started: what the kubelet and the scheduler say, and the sentence it becomes."""

from __future__ import annotations

import pytest

from k8s_extcap.methods import own_stream, starting
from k8s_extcap.model.errors import LIMIT, MethodError
from k8s_extcap.model.objects import (
    Condition,
    Container,
    ContainerStatus,
    Meta,
    Pod,
    PodSpec,
    PodStatus,
    State,
    StateDetail,
)
from k8s_extcap.model.plan import Facts
from tests.unit.methods.samples import request


def pod(state: State | None, *, phase: str = "Running", **status: object) -> Pod:
    statuses = () if state is None else (ContainerStatus(name="k8s-extcap-1", state=state),)
    return Pod(
        metadata=Meta(name="web-1", namespace="shop"),
        spec=PodSpec(ephemeral_containers=(Container(name="k8s-extcap-1", image="reg/tools:1"),)),
        status=PodStatus(phase=phase, ephemeral_container_statuses=statuses, **status),  # type: ignore[arg-type]
    )


def waiting(reason: str, message: str = "") -> State:
    return State(waiting=StateDetail(reason=reason, message=message))


NO_FOLDER = (
    "open /var/lib/kubelet/pods/454f35c9-43e1-40e1-86ee-2d0186de2947/etc-hosts: no such file or directory"  # recorded
)
NOT_YET = (
    None,
    waiting(""),
    waiting("ContainerCreating"),
    waiting("PodInitializing"),
    waiting("CreateContainerConfigError", NO_FOLDER),
    State(),
)

# Messages as containerd 1.6 and 2.1 gave them.
NO_SH = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "sh": executable file not found in $PATH: unknown'
)
NEVER = (
    (waiting("ErrImagePull", 'failed to resolve "reg/tools:1": not found'), "reg/tools:1 .* cannot be pulled"),
    (waiting("ImagePullBackOff", "Back-off pulling image"), "ImagePullBackOff"),
    (waiting("InvalidImageName"), "InvalidImageName"),
    (waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), "runAsNonRoot"),
    (waiting("RunContainerError", NO_SH), "has no sh"),
    (State(terminated=StateDetail(reason="StartError", message=NO_SH, exit_code=128)), "has no sh"),
    (State(terminated=StateDetail(reason="Error", exit_code=1)), r"does not start \(Error\)"),
)  # fmt: skip


def test_it_runs() -> None:
    assert starting.started(pod(State(running=StateDetail())), "k8s-extcap-1")


@pytest.mark.parametrize("state", NOT_YET)
def test_it_may_still_come(state: State | None) -> None:
    assert not starting.started(pod(state, phase="Pending"), "k8s-extcap-1")


@pytest.mark.parametrize(("state", "words"), NEVER)
def test_it_never_will_and_that_is_said_at_once(state: State, words: str) -> None:
    with pytest.raises(MethodError, match=words) as caught:
        starting.started(pod(state), "k8s-extcap-1")
    assert len(caught.value.sentence) <= LIMIT


def test_no_node_takes_it() -> None:
    condition = Condition(
        "PodScheduled", "False", "Unschedulable", "0/2 nodes are available: 1 node(s) had untolerated taint {x: y}."
    )
    with pytest.raises(MethodError, match="untolerated taint"):
        starting.started(pod(None, phase="Pending", conditions=(condition,)), "helper")


def test_the_node_refused_it() -> None:
    found = pod(None, phase="Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu")
    with pytest.raises(MethodError, match="OutOfcpu"):
        starting.started(found, "helper")


def test_too_late() -> None:
    error = starting.late(pod(waiting("ContainerCreating"), phase="Pending"), "k8s-extcap-1", 30)
    assert "did not run within 30 s (state: ContainerCreating)" in error.sentence


@pytest.mark.parametrize(
    ("port", "asked", "wanted"),
    [
        (443, "", "not (tcp port 10250 or tcp port 6443 or tcp port 8132)"),
        (443, "udp or icmp", "(udp or icmp) and not (tcp port 10250 or tcp port 6443 or tcp port 8132)"),
        (6443, " ", "not (tcp port 10250 or tcp port 6443 or tcp port 8132)"),
        (16443, "", "not (tcp port 10250 or tcp port 6443 or tcp port 8132 or tcp port 16443)"),
    ],
)
def test_a_nodes_capture_leaves_out_its_own_stream(port: int, asked: str, wanted: str) -> None:
    assert own_stream.leave_out(request(filter=asked), Facts(api_port=port)).filter == wanted
