"""Beds side by side share no name and no address; folders follow the environment."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from testbed.cluster import bed as beds
from testbed.cluster.bed import MOST_BEDS, Bed, Node

BEDS = [Bed(Path("/cache"), number) for number in range(MOST_BEDS)]
NODES = [node for bed in BEDS for node in bed.nodes()]


@pytest.mark.parametrize("part", ["host_name", "state", "address", "gateway", "address6", "gateway6"])
def test_no_two_nodes_share(part: str) -> None:
    assert len({getattr(node, part) for node in NODES}) == len(NODES)


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.host_name)
def test_names_and_addresses_are_usable(node: Node) -> None:
    assert len(node.host_name) <= 15  # IFNAMSIZ, with its terminating zero
    networks = ipaddress.ip_network(f"{node.address}/24", strict=False)
    assert ipaddress.ip_address(node.gateway) in networks
    assert ipaddress.ip_address(node.address6).version == 6


def test_the_pods_of_the_nodes_are_apart_and_within_the_cluster() -> None:
    first, second = (ipaddress.IPv4Network(node.pods) for node in BEDS[0].nodes())
    assert not first.overlaps(second)
    assert all(net.subnet_of(ipaddress.IPv4Network(beds.POD_CIDR)) for net in (first, second))
    for node in BEDS[0].nodes():
        assert ipaddress.IPv6Network(node.pods6).subnet_of(ipaddress.IPv6Network(beds.POD_CIDR6))
    assert ipaddress.ip_address(beds.API_SERVICE) == next(ipaddress.ip_network(beds.SERVICE_CIDR).hosts())


def test_bed_0_lies_where_its_caches_are_and_others_beside_it() -> None:
    assert BEDS[0].kubeconfig == Path("/cache/cl/kubeconfig")
    assert BEDS[3].kubeconfig == Path("/cache/bed3/cl/kubeconfig")
    assert BEDS[3].binaries("1.36.3") == BEDS[0].binaries("1.36.3") == Path("/cache/bin/1.36.3")
    assert BEDS[3].server == "https://10.250.31.2:6443"


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"K8S_EXTCAP_TESTBED": "/x"}, "/x"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/k8s-extcap/testbed"),
        ({"HOME": "/h", "XDG_CACHE_HOME": ""}, "/h/.cache/k8s-extcap/testbed"),
    ],
)
def test_root(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], root: str) -> None:
    for name in ("K8S_EXTCAP_TESTBED", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert beds.default_root() == Path(root)
