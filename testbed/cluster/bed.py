"""Where everything of one bed lies and what it is called: folders, node names, addresses. Values only, no deeds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CURRENT = "1.36.3"
#: Released completely at the Go module proxy, built and run; 1.32.13, for one, misses six of its libraries there.
VERSIONS = (CURRENT, "1.33.13", "1.30.4")

SERVICE_CIDR = "10.96.0.0/16"
SERVICE_CIDR6 = "fd00:10:96::/112"
API_SERVICE = "10.96.0.1"  # the first address of SERVICE_CIDR: the API server's certificate must carry it
DNS_ADDRESS = "10.96.0.10"
POD_CIDR = "10.244.0.0/16"
POD_CIDR6 = "fd00:10:244::/56"
API_PORT = 6443
MOST_BEDS = 20  # 10.250.(10 * bed + node) stays in one octet

#: In the environment of every process that we start. Ends a process only if this says that it is ours.
MARK = "K8S_EXTCAP_BED"


@dataclass(frozen=True, slots=True)
class Node:
    """One node: `name` in Kubernetes, `host_name` for its network namespace, link and cgroup on the machine."""

    number: int
    name: str
    host_name: str
    state: Path
    gateway: str  # the machine's end of the node's cable
    address: str
    gateway6: str
    address6: str
    pods: str
    pods6: str

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / self.host_name


@dataclass(frozen=True, slots=True)
class Bed:
    """A bed is known by its folder and its number; several numbers share one folder's binaries and images.

    Bed 0 is everybody's. Another number gives a second cluster beside it that shares nothing but the kernel.
    """

    root: Path
    number: int = 0

    @property
    def mark(self) -> str:
        return f"{self.root}#{self.number}"

    @property
    def state(self) -> Path:
        return self.root if self.number == 0 else self.root / f"bed{self.number}"

    @property
    def cluster(self) -> Path:
        return self.state / "cl"

    @property
    def pki(self) -> Path:
        return self.cluster / "pki"

    @property
    def logs(self) -> Path:
        return self.cluster / "log"

    @property
    def images(self) -> Path:
        return self.root / "img"

    @property
    def kubeconfig(self) -> Path:
        return self.cluster / "kubeconfig"

    @property
    def server(self) -> str:
        return f"https://{self.node(1).address}:{API_PORT}"

    def binaries(self, version: str) -> Path:
        return self.root / "bin" / version

    def node(self, number: int) -> Node:
        octet = 10 * self.number + number
        prefix = "kx" if self.number == 0 else f"kx{self.number}"
        return Node(
            number=number,
            name=f"n{number}",
            host_name=f"{prefix}-n{number}",
            state=self.state / f"n{number}",
            gateway=f"10.250.{octet}.1",
            address=f"10.250.{octet}.2",
            gateway6=f"fd00:10:250:{octet}::1",
            address6=f"fd00:10:250:{octet}::2",
            pods=f"10.244.{number}.0/24",
            pods6=f"fd00:10:244:{number}::/64",
        )

    def nodes(self, count: int = 2) -> tuple[Node, ...]:
        return tuple(self.node(number) for number in range(1, count + 1))


def default_root() -> Path:
    """K8S_EXTCAP_TESTBED, else the user's cache folder: outside any checkout, and kept between runs."""
    named = os.environ.get("K8S_EXTCAP_TESTBED")
    if named:
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "k8s-extcap" / "testbed"


def default_bed() -> Bed:
    return Bed(default_root(), int(os.environ.get("K8S_EXTCAP_TESTBED_NUMBER", "0")))


def has_ipv6() -> bool:
    """Whether new interfaces get IPv6: the kernel may have none, or the machine may have switched it off (Docker)."""
    switch = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    return switch.exists() and switch.read_text().strip() == "0"
