"""Pods and facts to assess, as the review would give them."""

from __future__ import annotations

from typing import Any

from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import (
    Container,
    ContainerStatus,
    Ip,
    Meta,
    Pod,
    PodSpec,
    PodStatus,
    State,
    StateDetail,
)
from k8s_extcap.model.plan import Binary, ContainerFacts, Facts, Place, Target
from k8s_extcap.model.request import CaptureRequest, Helper

DEFAULT = 0xA80425FB  # containerd's set; bit 13 is NET_RAW
TOOLS = ("dd", "sha256sum", "chmod", "rm", "mv", "sleep")
BINARIES = {
    f"{name}-{arch}": Binary(f"{name}-{arch}", size, "0" * 64)
    for name, size in (("tcpdump", 1_264_704), ("nsx", 34_984))
    for arch in ("amd64", "arm64")
}
HELPER = Helper(image="registry.example/helper@sha256:" + "0" * 64)


def running(name: str = "app") -> ContainerStatus:
    return ContainerStatus(name=name, container_id="containerd://" + "c" * 64, state=State(running=StateDetail()))


def pod(**spec: Any) -> Pod:
    names = spec.pop("names", ("app",))
    return Pod(
        metadata=Meta(name="web-1", namespace="shop", uid="u-1", annotations=spec.pop("annotations", {})),
        spec=PodSpec(node_name="n1", containers=tuple(Container(name=n, image=f"shop/{n}:1") for n in names), **spec),
        status=PodStatus(
            phase="Running",
            pod_ip="10.0.0.7",
            pod_ips=(Ip("10.0.0.7"),),
            container_statuses=tuple(running(n) for n in names),
        ),
    )


def target(found: Pod | None = None) -> Target:
    return Target("ctx", "shop", found or pod(), node="n1")


def inside(name: str = "app", **facts: Any) -> ContainerFacts:
    given: dict[str, Any] = {
        "shell": True,
        "uid": 0,
        "cap_eff": DEFAULT,
        "machine": "x86_64",
        "tools": TOOLS,
        "places": (Place("/tmp", 1 << 30),),
        "nics": ("eth0", "lo"),
        **facts,
    }
    return ContainerFacts(name, **given)


def facts(*containers: ContainerFacts, **known: Any) -> Facts:
    many = containers or (inside(),)
    return Facts(containers={c.name: c for c in many}, binaries=BINARIES, **known)


def request(**asked: Any) -> CaptureRequest:
    return CaptureRequest(Name("pod", "shop", "web-1"), **asked)
