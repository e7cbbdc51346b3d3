"""kubelet and kube-proxy of a node: their configuration and their start."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster import cgroups
from testbed.cluster.bed import DNS_ADDRESS, POD_CIDR, POD_CIDR6, Bed, Node, has_ipv6
from testbed.cluster.node import enter
from testbed.cluster.processes import spawn


def kubelet_configuration(bed: Bed, node: Node) -> dict[str, Any]:
    """Serves 1.30 to 1.36: an older kubelet ignores a name that it does not know (lenient decoding)."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(bed.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",  # must agree with SystemdCgroup = false
        "cgroupRoot": f"/{node.host_name}",
        "failCgroupV1": False,  # else a current kubelet refuses cgroup v1
        "failSwapOn": False,
        "oomScoreAdj": 0,  # -999 needs CAP_SYS_RESOURCE
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_ADDRESS],
        "resolvConf": str(node.state / "resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",  # the default is a folder of the machine, in /usr
        # The machine's disk and memory are not ours to manage: evict only when nearly nothing is left.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "2%",
            "imagefs.available": "2%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,  # never collect the imported images: there is nowhere to pull them from
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "registryPullQPS": 0,
        "eventRecordQPS": 0,  # a catalogue of seventy pods at once is the normal case here
    }


def proxy_configuration(bed: Bed, version: str, *, nftables: bool = True) -> dict[str, Any]:
    both = has_ipv6()
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(bed.pki / "proxy.kubeconfig")},
        # nftables is refused before 1.31; ipvs needs a kernel module that may be absent.
        "mode": "nftables" if nftables and int(version.split(".")[1]) >= 31 else "iptables",
        "clusterCIDR": f"{POD_CIDR},{POD_CIDR6}" if both else POD_CIDR,
        "conntrack": {"maxPerCore": 0, "min": 0},  # 0: leave nf_conntrack_max alone, it is the machine's
        "oomScoreAdj": 0,
    }


def start(bed: Bed, node: Node, version: str) -> dict[str, tuple[subprocess.Popen[bytes], Path]]:
    """Both daemons of one node; returned by name with their logs, for whoever waits."""
    (node.state / "kubelet.yaml").write_text(yaml.safe_dump(kubelet_configuration(bed, node)))
    nft = subprocess.run([*enter(bed, node), "nft", "list", "ruleset"], capture_output=True, check=False)
    proxy = proxy_configuration(bed, version, nftables=nft.returncode == 0)  # not every kernel has them
    (node.state / "proxy.yaml").write_text(yaml.safe_dump(proxy))
    # An own file: the machine's may name a resolver that pods cannot reach.
    (node.state / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
    binaries = bed.binaries(version)
    address = f"{node.address},{node.address6}" if has_ipv6() else node.address
    commands: dict[str, list[str | Path]] = {
        "kubelet": [
            binaries / "kubelet", "--config", node.state / "kubelet.yaml",
            "--kubeconfig", bed.pki / f"{node.name}.kubeconfig",
            "--hostname-override", node.name, "--node-ip", address,
        ],
        "proxy": [binaries / "kube-proxy", "--config", node.state / "proxy.yaml", "--hostname-override", node.name],
    }  # fmt: skip
    begin = starter(bed, node)
    return {f"{name} of {node.name}": begin(name, argv) for name, argv in commands.items()}


def starter(bed: Bed, node: Node) -> Callable[[str, list[str | Path]], tuple[subprocess.Popen[bytes], Path]]:
    """A function (name, argv) that starts a daemon inside the node, charged to the node's control group."""
    inside, groups = enter(bed, node), cgroups.joins(node.host_name)

    def begin(name: str, argv: list[str | Path]) -> tuple[subprocess.Popen[bytes], Path]:
        log = bed.logs / f"{node.name}-{name}.log"
        return spawn(bed, [*inside, *argv], log, join=groups), log

    return begin
