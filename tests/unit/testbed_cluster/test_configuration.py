"""Configuration files are what their readers parse, for each generation of containerd and kubelet."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import kubelet, runtime
from testbed.cluster.bed import Bed

BED = Bed(Path("/cache"))
NODE = BED.node(1)
CNI = Path("/usr/lib/cni")


def plugins(major: int, store: str = "overlayfs") -> dict[str, Any]:
    parsed: dict[str, Any] = tomllib.loads(runtime.configuration(NODE, major, CNI, store))
    assert parsed["version"] == {1: 2, 2: 3}[major]
    return dict(parsed["plugins"])


@pytest.mark.parametrize("store", ["overlayfs", "native"])
def test_containerd_1(store: str) -> None:
    cri = plugins(1, store)["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "localhost/pause:1"
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["snapshotter"] == store
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    assert cri["cni"]["bin_dir"] == "/usr/lib/cni"


@pytest.mark.parametrize("store", ["overlayfs", "native"])
def test_containerd_2(store: str) -> None:
    found = plugins(2, store)
    images, cri = found["io.containerd.cri.v1.images"], found["io.containerd.cri.v1.runtime"]
    assert images["snapshotter"] == store
    assert images["pinned_images"]["sandbox"] == "localhost/pause:1"
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    assert cri["cni"]["bin_dirs"] == ["/usr/lib/cni"]


@pytest.mark.parametrize(("ipv6", "families"), [(True, 2), (False, 1)])
def test_pod_network(ipv6: bool, families: int) -> None:
    network = json.loads(runtime.network(NODE, ipv6=ipv6))
    ipam = network["plugins"][0]["ipam"]
    assert len(ipam["ranges"]) == len(ipam["routes"]) == families
    assert ipam["ranges"][0] == [{"subnet": "10.244.1.0/24"}]


def test_kubelet_and_containerd_agree() -> None:
    configuration = kubelet.kubelet_configuration(BED, NODE)
    assert configuration["cgroupDriver"] == "cgroupfs"
    assert configuration["cgroupRoot"] == "/kx-n1"
    assert configuration["oomScoreAdj"] == 0


@pytest.mark.parametrize(("version", "mode"), [("1.30.4", "iptables"), ("1.31.0", "nftables"), ("1.36.3", "nftables")])
def test_proxy_mode_by_version_and_kernel(version: str, mode: str) -> None:
    assert kubelet.proxy_configuration(BED, version)["mode"] == mode
    assert kubelet.proxy_configuration(BED, version, nftables=False)["mode"] == "iptables"


def test_versions_of_containerd_are_read_as_it_tells_them(tmp_path: Path) -> None:
    for said, version, major in (
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1", "1.6.20", 1),
        ("containerd github.com/containerd/containerd/v2 2.1.9 ", "2.1.9", 2),
        ("containerd containerd.io v1.7.24 88bf19b2105c8b17560993bee28a01ddc2f97182", "1.7.24", 1),
    ):
        program = tmp_path / "containerd"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        found = runtime.inspect(program)
        assert (found.version, found.major, found.ctr) == (version, major, tmp_path / "ctr")
