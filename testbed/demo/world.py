"""What the demo cluster contains: a small shop with traffic, a developer's namespace, and pods that are hard."""

from __future__ import annotations

import hashlib
from typing import Any

from testbed.demo import defaults
from testbed.demo.kubelet import Address, Kubelet, created_status
from testbed.demo.resources import BY_PLURAL, NAMESPACES, NODES, PODS
from testbed.demo.store import Object, Store, now

NODE_1, NODE_2 = "demo-1", "demo-2"
# The two runtimes differ in what becomes of an exec'd process whose client goes away (see execute.py).
RUNTIMES = {NODE_1: "containerd://1.6.20", NODE_2: "containerd://2.1.9"}

SHELL, TCPDUMP, BUSYBOX, WEB = (f"localhost/demo/{name}:1" for name in ("shell", "tcpdump", "busybox", "web"))
DNS_ADDRESS = Address("10.88.0.10", "fd00:88::a")
_POLICY = "pod-security.kubernetes.io/enforce"
NAMESPACE_LABELS: dict[str, dict[str, str]] = {
    "default": {},
    "kube-system": {},
    "shop": {},
    "dev": {},
    "lab": {},
    "guarded": {_POLICY: "baseline"},
    "locked": {_POLICY: "restricted"},
}
_HARDENED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class World:
    def __init__(self, store: Store, kubelet: Kubelet) -> None:
        self._store = store
        self._kubelet = kubelet
        self._starts: list[tuple[str, str, Address]] = []
        self._next = 11

    async def build(self) -> None:
        for name, labels in NAMESPACE_LABELS.items():
            self._store.add(NAMESPACES, namespace(name, labels))
        for name, version in RUNTIMES.items():
            self._store.add(NODES, node(name, version))
        self._shop()
        self._rest()
        self._hard()
        for where, name, address in self._starts:
            await self._kubelet.start(where, name, address)

    def _address(self) -> Address:
        self._next += 1
        return Address(f"10.88.0.{self._next}", f"fd00:88::{self._next:x}")

    def _shop(self) -> None:
        web = [self._address() for _ in range(3)]
        zone = f"web.shop.svc.cluster.local={web[0].ipv4} db.shop.svc.cluster.local=10.88.0.200"
        peers = {
            "DEMO_PEERS": " ".join(a.ipv4 for a in web),
            "DEMO_PEERS6": " ".join(a.ipv6 for a in web),
            "DEMO_DNS": DNS_ADDRESS.ipv4,
        }
        dns = container("coredns", SHELL, "dns", {"DEMO_ZONE": zone})
        self._deployment("kube-system", "coredns", [DNS_ADDRESS], [dns], NODE_1)
        self._deployment("shop", "web", web, [container("web", TCPDUMP, "web")], "")
        self._service("shop", "web", web, 8080)
        self._deployment("shop", "api", [self._address()], [container("api", SHELL, "shopper", peers)], NODE_1)
        self._stateful("shop", "db", [container("db", BUSYBOX, "web")])
        self._pod("shop", "edge", [container("edge", WEB, "web")])
        two = [container("app", SHELL, "shopper", peers), container("proxy", TCPDUMP, "idle")]
        self._pod("shop", "checkout", two, node_name=NODE_2)
        hello = [container("hello", TCPDUMP, "shopper", peers)]
        self._deployment("dev", "hello", [self._address()], hello, NODE_1)

    def _rest(self) -> None:
        """A DaemonSet in the node's network, a finished Job, and lab pods for the tests' own commands."""
        for name in RUNTIMES:
            owner = self._owner("daemonsets", "kube-system", "agent")
            spec = {"hostNetwork": True}
            agent = [container("agent", TCPDUMP, "idle")]
            self._pod("kube-system", f"agent-{_tail(name)}", agent, owner=owner, node_name=name, spec=spec)
        for name, where in (("sender", NODE_1), ("receiver", NODE_1), ("sender-2", NODE_2)):
            self._pod("lab", name, [container("main", TCPDUMP, "idle")], node_name=where)
        owner = self._owner("jobs", "lab", "once", "batch/v1")
        self._pod("lab", "once-x2j7k", [container("once", SHELL, "idle")], owner=owner, state="done")

    def _hard(self) -> None:
        """Pods in which one thing or another cannot work."""
        read_only = {"readOnlyRootFilesystem": True}
        self._pod("lab", "read-only", [container("main", SHELL, "idle", context=read_only)])
        self._pod("lab", "non-root", [container("main", TCPDUMP, "idle", context={"runAsUser": 1000})])
        no_caps = {"capabilities": {"drop": ["ALL"]}}
        self._pod("lab", "no-caps", [container("main", TCPDUMP, "idle", context=no_caps)])
        self._pod("locked", "hardened", [container("main", SHELL, "idle", context=_HARDENED)])
        self._pod("guarded", "plain", [container("main", SHELL, "idle")])
        self._pod("lab", "pending", [container("main", SHELL, "idle")], state="pending")
        self._pod("lab", "crashing", [container("main", SHELL, "idle")], state="crashing")
        self._pod("lab", "no-image", [container("main", "registry.invalid/app:2", "idle")])

    def _deployment(
        self, where: str, name: str, addresses: list[Address], containers: list[Object], node_name: str
    ) -> None:
        digest = _tail(f"{where}/{name}", 10)
        deployment = self._owner("deployments", where, name)
        labels = {"app": name}
        replica_set = self._owner("replicasets", where, f"{name}-{digest}", above=deployment, labels=labels)
        for number, address in enumerate(addresses):
            spread = node_name or (NODE_1, NODE_2)[number % 2]
            self._pod(
                where,
                f"{name}-{digest}-{_tail(f'{name}{number}')}",
                containers,
                owner=replica_set,
                labels={**labels, "pod-template-hash": digest},
                node_name=spread,
                address=address,
            )

    def _stateful(self, where: str, name: str, containers: list[Object]) -> None:
        owner = self._owner("statefulsets", where, name)
        labels = {"app": name, "apps.kubernetes.io/pod-index": "0"}
        self._pod(
            where, f"{name}-0", containers, owner=owner, labels=labels, address=Address("10.88.0.200", "fd00:88::c8")
        )

    def _owner(
        self,
        plural: str,
        where: str,
        name: str,
        api_version: str = "apps/v1",
        above: list[Object] | None = None,
        labels: dict[str, str] | None = None,
    ) -> list[Object]:
        """The controller object (made at its first mention) as an ownerReferences list."""
        resource = BY_PLURAL[plural]
        found = self._store.find(resource, where, name)
        if found is None:
            meta: Object = {"name": name, "namespace": where, "generation": 1, "labels": labels or {"app": name}}
            if above:
                meta["ownerReferences"] = above
            selector = {"matchLabels": labels or {"app": name}}
            found = self._store.add(resource, {"metadata": meta, "spec": {"selector": selector}, "status": {}})
        return defaults.owner(resource.kind, name, found["metadata"]["uid"], api_version)

    def _service(self, where: str, name: str, addresses: list[Address], port: int) -> None:
        ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": port}]
        ip = "10.96.0.80"
        spec = {"ports": ports, "selector": {"app": name}, "clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP"}
        spec |= {"sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
        meta = {"name": name, "namespace": where, "labels": {"app": name}}
        service = self._store.add(
            BY_PLURAL["services"], {"metadata": meta, "spec": spec, "status": {"loadBalancer": {}}}
        )
        pods = [pod for _, pod in self._store.rows(PODS, where) if pod["metadata"]["labels"].get("app") == name]
        endpoints = [
            {
                "addresses": [address.ipv4],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {
                    "kind": "Pod",
                    "namespace": where,
                    "name": pod["metadata"]["name"],
                    "uid": pod["metadata"]["uid"],
                },
                "nodeName": pod["spec"]["nodeName"],
            }
            for pod, address in zip(pods, addresses, strict=True)
        ]
        slice_meta = {
            "name": f"{name}-{_tail(name)}",
            "generateName": f"{name}-",
            "namespace": where,
            "labels": {"kubernetes.io/service-name": name},
            "ownerReferences": defaults.owner("Service", name, service["metadata"]["uid"], "v1"),
        }
        slice_ports = [{"name": "http", "protocol": "TCP", "port": port}]
        body = {"metadata": slice_meta, "addressType": "IPv4", "endpoints": endpoints, "ports": slice_ports}
        self._store.add(BY_PLURAL["endpointslices"], body)

    def _pod(
        self,
        where: str,
        name: str,
        containers: list[Object],
        *,
        owner: list[Object] | None = None,
        labels: dict[str, str] | None = None,
        node_name: str = NODE_1,
        address: Address | None = None,
        spec: Object | None = None,
        state: str = "",
    ) -> None:
        meta: Object = {"name": name, "namespace": where, "generation": 1, "labels": labels or {"app": name}}
        if owner:
            meta["ownerReferences"] = owner
        full = defaults.complete_pod({"containers": containers, **(spec or {}), "nodeName": node_name})
        pod: Object = {"metadata": meta, "spec": full}
        pod["status"] = created_status(pod)
        _STATES[state](pod)
        self._store.add(PODS, pod)
        if not state:
            self._starts.append((where, name, address or self._address()))


def container(
    name: str, image: str, program: str, env: dict[str, str] | None = None, context: Object | None = None
) -> Object:
    made: Object = {"name": name, "image": image, "command": [f"/demo/{program}"]}
    if env:
        made["env"] = [{"name": key, "value": value} for key, value in env.items()]
    if context:
        made["securityContext"] = context
    return made


def _tail(text: str, size: int = 5) -> str:
    """A suffix like a generated one, the same in every run: examples in documents stay true."""
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:size])


def namespace(name: str, labels: dict[str, str]) -> Object:
    meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
    return {"metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def node(name: str, runtime: str) -> Object:
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    info = {"containerRuntimeVersion": runtime, "kubeletVersion": "v1.36.3", "architecture": "amd64"}
    info |= {"operatingSystem": "linux", "osImage": "demo", "kernelVersion": "6.1.0"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": "10.88.0.0/16", "podCIDRs": ["10.88.0.0/16"]},
        "status": {
            "conditions": [ready | {"lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            "addresses": [{"type": "InternalIP", "address": "10.88.0.1"}, {"type": "Hostname", "address": name}],
            "nodeInfo": info,
        },
    }


def _pending(pod: Object) -> None:
    del pod["spec"]["nodeName"]
    text = "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available."
    condition: dict[str, Any] = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": text}
    condition |= {"lastProbeTime": None, "lastTransitionTime": now()}
    pod["status"] = {"phase": "Pending", "conditions": [condition], "qosClass": "BestEffort"}


def _done(pod: Object) -> None:
    pod["status"]["phase"] = "Succeeded"
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}
    for status in pod["status"]["containerStatuses"]:
        status |= {"state": {"terminated": ended}, "started": False}


def _crashing(pod: Object) -> None:
    pod["status"]["phase"] = "Running"
    text = "back-off 5m0s restarting failed container=main"
    for status in pod["status"]["containerStatuses"]:
        status |= {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": text}}, "restartCount": 7}


_STATES = {"": lambda _pod: None, "pending": _pending, "done": _done, "crashing": _crashing}
