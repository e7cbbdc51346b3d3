"""The capture filter in a node's network: a stream that captures itself feeds itself (1.17 GB in 9 s were measured)."""

from __future__ import annotations

from dataclasses import replace

from k8s_extcap.model.plan import Facts
from k8s_extcap.model.request import CaptureRequest

KUBELET = 10250
API_SERVER = 6443  # its own port on a control-plane node, whatever a balancer shows us
TUNNEL = 8132  # konnectivity agents carry exec streams of managed clusters to it
SHARED = (80, 443)  # half of a node's traffic: an API server there is behind a balancer, not on the node


def ports(facts: Facts) -> tuple[int, ...]:
    own = () if facts.api_port in SHARED else (facts.api_port,)
    return tuple(dict.fromkeys((KUBELET, API_SERVER, TUNNEL, *own)))


def loops(request: CaptureRequest) -> bool:
    """Whether the runtime's own port is on the interface: it listens on the loopback, where every exec passes."""
    return request.interface in ("lo", "any")


def leave_out(request: CaptureRequest, facts: Facts, more: str = "") -> CaptureRequest:
    """The request with a filter that passes nothing of its own path. The runtime's streaming server listens on a
    random port of lo: that is why lo and `any` are never chosen in a node's network, only taken when asked for. `more`
    is what a helper on the node puts that port in the place of.
    """
    away = "not (" + " or ".join([*(f"tcp port {p}" for p in ports(facts)), *([more] if more else [])]) + ")"
    return replace(request, filter=f"({request.filter}) and {away}" if request.filter.strip() else away)


def sentence(facts: Facts, *, runtime: bool = False) -> str:
    also = ", and the container runtime's" if runtime else ""
    return "the stream's own path is left out (tcp ports " + ", ".join(str(p) for p in ports(facts)) + also + ")"
