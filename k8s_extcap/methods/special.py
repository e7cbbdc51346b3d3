"""Targets where a method cannot work whatever the rights: one sentence for each kind, before anything is tried."""

from __future__ import annotations

from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import Facts, Target
from k8s_extcap.model.request import MethodName

MIRROR = "kubernetes.io/config.mirror"  # on the API's image of a static pod
KERNEL_OF_ITS_OWN = {"gvisor": "gVisor", "runsc": "gVisor"}
MACHINE_OF_ITS_OWN = {"kata": "Kata", "kata-qemu": "Kata", "kata-clh": "Kata", "kata-fc": "Kata"}


def _runtime(pod: Pod, kinds: dict[str, str]) -> str:
    name = pod.spec.runtime_class_name
    return kinds.get(name) or next((spoken for key, spoken in kinds.items() if name.startswith(f"{key}-")), "")


def _windows(pod: Pod, facts: Facts) -> bool:
    return facts.node_os == "windows" or (pod.spec.os is not None and pod.spec.os.name == "windows")


def not_running(pod: Pod) -> str:
    """Why no container can be entered, "" if one can."""
    if pod.running:
        return ""
    if pod.metadata.deletion_timestamp:
        return "it is being deleted"
    waiting = next((s.state.waiting for s in pod.statuses if s.state.waiting and s.state.waiting.reason), None)
    detail = f" ({waiting.reason})" if waiting else ""
    if pod.status.phase in ("Succeeded", "Failed"):
        return f"it has ended ({pod.status.reason or pod.status.phase})"
    if not pod.spec.node_name:
        return "it is not scheduled on a node yet"
    return f"none of its containers runs{detail}"


def obstacle(method: MethodName, target: Target, facts: Facts) -> str:
    """Why this method cannot capture this kind of target, "" if nothing of its kind speaks against it."""
    if target.is_node:
        return _node_obstacle(method, facts)
    pod = target.pod
    if _windows(pod, facts):
        return "it runs on a Windows node, where there is neither tcpdump nor a network namespace to enter"
    stopped = not_running(pod)
    if stopped and method != "copy":
        return stopped
    if method == "ephemeral":
        if MIRROR in pod.metadata.annotations:
            return "it is a static pod, and those take no ephemeral containers"
        if facts.node_virtual:
            return "its node is virtual, and virtual nodes take no ephemeral containers"
    if method == "nsenter":
        return _helper_obstacle(pod, facts)
    if method == "copy" and MIRROR in pod.metadata.annotations:
        return "it is a static pod: its file on the node is what runs, and a copy would not be"
    return ""


def _helper_obstacle(pod: Pod, facts: Facts) -> str:
    if facts.node_virtual:
        return "its node is virtual: there is no machine behind it to run a helper on"
    gvisor = _runtime(pod, KERNEL_OF_ITS_OWN)
    if gvisor:
        return f"it runs under {gvisor}, whose network lies inside a kernel of its own"
    kata = _runtime(pod, MACHINE_OF_ITS_OWN)
    if kata:
        return f"it runs in a virtual machine ({kata}), and no process on the node carries its container's id"
    if not pod.ips:
        return "it has no IP address yet, so a network namespace could not be proven to be its own"
    return ""


def _node_obstacle(method: MethodName, facts: Facts) -> str:
    if method != "nsenter":
        return "a node's packets are reached by a helper pod only"
    if facts.node_os == "windows":
        return "it is a Windows node"
    return "it is a virtual node: there is no machine behind it" if facts.node_virtual else ""


# Containers that service meshes add: Istio, Linkerd, Consul, Kuma, App Mesh.
MESH = ("istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar", "envoy")


def remark(target: Target) -> str:
    """What to know about a target that can be captured, "" for an ordinary one."""
    pod = target.pod
    if target.is_node:
        return ""
    if pod.spec.host_network:
        return "it uses the node's network, so the packets of the whole node are seen"
    if pod.spec.host_users is False:
        return "it has a user namespace of its own, which was not tried with every runtime"
    if _runtime(pod, KERNEL_OF_ITS_OWN):
        return "under gVisor a capture works only where its runtime allows raw sockets"
    proxy = next((c for c in (c.name for c in (*pod.spec.containers, *pod.spec.init_containers)) if c in MESH), "")
    if proxy:
        return f"behind the mesh proxy {proxy} packets on eth0 are encrypted; the plaintext is on lo (--nic lo)"
    return ""
