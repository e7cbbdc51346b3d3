"""The helper's look-up, in three real shells, on made-up /proc trees: whose process it takes, and whose never."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from k8s_extcap.methods import lookup
from tests.unit.methods import cgroups
from tests.unit.methods.cgroups import CASES, CID, FORGED, HCID, HELPER, UID, Case

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "ash"]}

# Stands in for nsx: says what it was asked, and refuses the PIDs in its file `refuse`.
NSX = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >>"$here/log"
for a in "$@"; do case $a in ([0-9]|[0-9][0-9]|[0-9][0-9][0-9]) pid=$a;; esac; done
grep -qx "$pid" "$here/refuse" && { echo "nsx: the namespace does not have the address" >&2; exit 123; }
case $* in (*--version*) exit 0;; esac
echo "RUN $*"
"""


class Node:
    """A fake /proc with the helper in it, and the folder of uploaded programs."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.root, self.shell = root, shell
        self.proc, self.folder = root / "proc", root / "programs"
        self.folder.mkdir()
        (self.folder / "nsx").write_text(NSX)
        (self.folder / "nsx").chmod(0o755)
        (self.folder / "tcpdump").write_text("")
        (self.folder / "refuse").write_text("")

    def process(self, pid: int | str, cgroup: str, nics: tuple[str, ...] = ("lo", "eth0"), route: str = "eth0") -> None:
        place = self.proc / str(pid)
        (place / "net").mkdir(parents=True)
        (place / "cgroup").write_text(cgroup)
        head = "Inter-|   Receive\n face |bytes\n"
        (place / "net/dev").write_text(head + "".join(f"{n:>6}: 1 2 3\n" for n in nics))
        (place / "net/route").write_text(f"Iface\tDestination\tGateway\n{route}\t00000000\t0101\neth7\t0001\t0\n")

    def sysfs(self, pid: int, nic: str, index: int, link: int) -> None:
        place = self.proc / str(pid) / "root/sys/class/net" / nic
        place.mkdir(parents=True)
        (place / "ifindex").write_text(f"{index}\n")
        (place / "iflink").write_text(f"{link}\n")

    def enter(
        self,
        ids: str = UID,
        cid: str = CID,
        wanted: str = "",
        addresses: str = "10.0.0.7 fd00::7",
        filter: str = "tcp port 80 or 'x y'",  # noqa: A002  the host's word
    ) -> str:
        argv = ("enter", ids, cid, addresses, wanted, f"{self.folder}/nsx", f"{self.folder}/tcpdump")
        done = subprocess.run(
            [*self.shell, "-c", 'eval "$TEXT"', *argv, "-i", "@nic", "-w", "-", "--", filter],
            env={"PATH": "/usr/bin:/bin", "TEXT": lookup.text(), "K8S_EXTCAP_PROC": str(self.proc)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        self.said = done.stderr
        self.code = done.returncode
        return done.stdout.strip()

    @property
    def asked(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture(params=sorted(SHELLS))
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    return Node(tmp_path, SHELLS[request.param])


def ids_of(case: Case) -> str:
    return lookup.ids(UID, {"kubernetes.io/config.hash": case.ids} if case.ids != UID else {})


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name} ({c.source})")
def test_the_pods_process_is_found_among_others(node: Node, case: Case) -> None:
    node.process(1, cgroups.v1("/init.scope"), nics=("lo", "ens3"), route="ens3")
    for number, text in enumerate(case.forged):
        node.process(200 + number, text)
    node.process("self", case.helper)
    node.process(77, case.pod)
    ran = node.enter(ids_of(case))
    assert node.code == 0, node.said
    assert f" 77 {node.folder}/tcpdump.run -i eth0 -w - -- tcp port 80 or 'x y'" in ran
    assert "-a 10.0.0.7 -a fd00::7" in ran
    assert "-c " in ran
    assert not any(f" {200 + number} " in line for number in range(len(case.forged)) for line in node.asked)


@pytest.mark.parametrize("text", FORGED)
def test_what_a_container_writes_below_its_own_group_is_not_believed(node: Node, text: str) -> None:
    node.process("self", cgroups.v1(f"/kubepods/besteffort/pod{HELPER}/{HCID}"))
    node.process(300, text)
    node.enter(lookup.ids(UID, {}))
    assert node.code == lookup.NOT_FOUND
    assert "no process on this node belongs to the pod" in node.said
    assert not (node.folder / "log").exists()


def test_the_containers_own_process_comes_before_those_of_containers_inside_it(node: Node) -> None:
    base = f"/kubepods/besteffort/pod{UID}/{CID}"
    node.process("self", cgroups.v1(f"/kubepods/besteffort/pod{HELPER}/{HCID}"))
    node.process(50, cgroups.v1(f"{base}/docker/{'f' * 64}"))
    node.process(60, cgroups.v1(f"/kubepods/besteffort/pod{UID}/{'5' * 64}"))
    node.process(70, cgroups.v1(base))
    assert " 70 " in node.enter()
    assert len(node.asked) == 2


def test_a_candidate_that_is_not_proven_gives_way_to_the_next(node: Node) -> None:
    node.process("self", cgroups.v1(f"/kubepods/besteffort/pod{HELPER}/{HCID}"))
    for pid in (60, 70):
        node.process(pid, cgroups.v1(f"/kubepods/besteffort/pod{UID}/{CID}"))
    (node.folder / "refuse").write_text("60\n")
    assert " 70 " in node.enter()
    (node.folder / "refuse").write_text("60\n70\n")
    (node.folder / "nsx.run").rename(node.folder / "nsx")
    (node.folder / "tcpdump.run").rename(node.folder / "tcpdump")
    assert node.enter() == ""
    assert node.code == lookup.NOT_FOUND
    assert "the namespace does not have the address" in node.said


def test_the_node_itself(node: Node) -> None:
    node.process("self", cgroups.v1("/x"))
    node.process(1, cgroups.v1("/"), nics=("lo", "veth1", "eth0", "ens3"), route="ens3")
    ran = node.enter(lookup.NODE, "-", addresses="")
    assert f"-n 1 {node.folder}/tcpdump.run -i ens3" in ran


# Two listeners and a connection, as /proc/net/tcp has them: ports 42859, 6443 and 10250.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:A76B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:280A 0100007F:A76B 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
"""
IN_A_POD = cgroups.v1(f"/kubepods/besteffort/pod{UID}/{CID}")


def program(node: Node, pid: int, name: str, sockets: tuple[int, ...], cgroup: str = cgroups.v1("/system")) -> None:
    node.process(pid, cgroup)
    (node.proc / str(pid) / "comm").write_text(f"{name}\n")
    (node.proc / str(pid) / "fd").mkdir()
    for number, inode in enumerate(sockets):
        (node.proc / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


@pytest.mark.parametrize("name", ["containerd", "crio", "cri-dockerd", "containerd-shim"])
@pytest.mark.parametrize("where", ["node", "pod", "nested"])
def test_the_runtimes_own_port_is_left_out_on_the_loopback(node: Node, name: str, where: str) -> None:
    above = f"/kubepods/podabove/{'9' * 64}" if where == "nested" else ""
    node.process("self", cgroups.v1(f"{above}/kubepods/besteffort/pod{HELPER}/{HCID}"))
    node.process(1, cgroups.v1("/"))
    (node.proc / "1/net/tcp").write_text(TCP)
    program(node, 40, name, (7, 11, 13), IN_A_POD if where == "pod" else cgroups.v1(f"{above}/system"))
    program(node, 41, "kube-apiserver", (12,))
    asked = "(tcp) and not (tcp port 10250 or @own)"
    ran = node.enter(lookup.NODE, "-", wanted="lo", addresses="", filter=asked)
    found = name != "containerd-shim" and where != "pod"
    assert ran.endswith("not (tcp port 10250 or tcp port 42859)" if found else "not (tcp port 10250)"), node.said


@pytest.mark.parametrize(
    ("nics", "route", "wanted", "chosen"),
    [
        (("lo", "eth0"), "eth0", "", "eth0"),
        (("lo", "net1", "eth0"), "net1", "", "eth0"),
        (("lo", "ens5"), "none", "", "none"),
        (("lo", "net1", "net2"), "net2", "", "net2"),
        (("lo", "eth0"), "eth0", "lo", "lo"),
        (("lo", "eth0"), "eth0", "any", "any"),
    ],
)
def test_the_interface(node: Node, nics: tuple[str, ...], route: str, wanted: str, chosen: str) -> None:
    node.process("self", cgroups.v1(f"/kubepods/pod{HELPER}/{HCID}"))
    node.process(70, cgroups.v1(f"/kubepods/pod{UID}/{CID}"), nics=nics, route=route)
    assert f"-i {chosen} -w" in node.enter(wanted=wanted)


def test_the_host_end_is_the_veth_that_points_back(node: Node) -> None:
    node.process("self", cgroups.v1(f"/kubepods/pod{HELPER}/{HCID}"))
    node.process(1, cgroups.v1("/"))
    node.process(70, cgroups.v1(f"/kubepods/pod{UID}/{CID}"))
    node.sysfs(70, "eth0", 2, 9)
    for name, index, link in (("ens3", 9, 9), ("vetha", 8, 2), ("vethb", 9, 2), ("vethc", 10, 9)):
        node.sysfs(1, name, index, link)
    assert f"-n 1 {node.folder}/tcpdump.run -i vethb -w" in node.enter(wanted="host")


def test_without_a_veth_the_host_end_is_refused(node: Node) -> None:
    node.process("self", cgroups.v1(f"/kubepods/pod{HELPER}/{HCID}"))
    node.process(1, cgroups.v1("/"))
    node.process(70, cgroups.v1(f"/kubepods/pod{UID}/{CID}"))
    node.sysfs(70, "eth0", 2, 2)
    node.sysfs(1, "ens3", 2, 2)
    node.enter(wanted="host")
    assert node.code == lookup.NOT_FOUND
    assert "no network interface was found" in node.said


def test_the_programs_are_out_of_the_guards_reach_while_it_looks(node: Node) -> None:
    node.process("self", cgroups.v1("/x"))
    node.enter()
    assert sorted(p.name for p in node.folder.iterdir() if not p.name.startswith("busy-")) == [
        "nsx.run", "refuse", "tcpdump.run",
    ]  # fmt: skip
    assert [p.name for p in node.folder.glob("busy-*")]
