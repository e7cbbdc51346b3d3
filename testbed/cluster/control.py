"""The control plane on node n1: etcd, API server, controller manager, scheduler."""

from __future__ import annotations

import subprocess
from pathlib import Path

from testbed.cluster import audit
from testbed.cluster.bed import API_PORT, SERVICE_CIDR, SERVICE_CIDR6, Bed, has_ipv6
from testbed.cluster.kubelet import starter

Daemons = dict[str, tuple[subprocess.Popen[bytes], Path]]


def start_storage(bed: Bed, etcd: Path) -> Daemons:
    """etcd, for the API server alone: on the loopback of node n1."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    argv: list[str | Path] = [
        etcd, "--data-dir", bed.cluster / "etcd",
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
    ]  # fmt: skip
    return {"etcd": starter(bed, bed.node(1))("etcd", argv)}


def start_api(bed: Bed, version: str) -> Daemons:
    pki = bed.pki
    services = f"{SERVICE_CIDR},{SERVICE_CIDR6}" if has_ipv6() else SERVICE_CIDR
    argv: list[str | Path] = [
        bed.binaries(version) / "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0", f"--advertise-address={bed.node(1).address}", f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={services}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}", f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        *audit.flags(bed),
    ]  # fmt: skip
    return {"API server": starter(bed, bed.node(1))("apiserver", argv)}


def start_controllers(bed: Bed, version: str) -> Daemons:
    """Leader election off: there is one of each. The request rate raised: at its default of 20 a second the controller
    manager spends 4 s on a token for each of its controllers before it starts any.
    """
    begin, binaries, pki = starter(bed, bed.node(1)), bed.binaries(version), bed.pki

    def login(name: str) -> list[str | Path]:
        config = pki / f"{name}.kubeconfig"
        flags = ("--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig")
        return [*(f"{flag}={config}" for flag in flags), "--leader-elect=false", "--bind-address=127.0.0.1"]

    manager: list[str | Path] = [
        binaries / "kube-controller-manager", *login("controller-manager"),
        f"--service-account-private-key-file={pki / 'sa.key'}", f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--use-service-account-credentials", "--kube-api-qps=500", "--kube-api-burst=500",
    ]  # fmt: skip
    scheduler: list[str | Path] = [binaries / "kube-scheduler", *login("scheduler")]
    return {
        "controller manager": begin("controller-manager", manager),
        "scheduler": begin("scheduler", scheduler),
    }
