"""One node: network, PID, mount, UTS and IPC namespaces and control groups of its own, and a PID 1.

Why a PID namespace: where the machine's PID 1 has capabilities that root lacks (virtual machines, every container)
`nsenter -t 1` is refused; with a PID 1 of our own, privileged hostPID pods and `kubectl debug node` behave as on a
real node. It is the undo as well: killing PID 1 ends every daemon, shim and container and drops every mount.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from testbed.cluster import cgroups
from testbed.cluster.bed import Bed, Node, has_ipv6
from testbed.cluster.errors import BedError
from testbed.cluster.journal import Journal
from testbed.cluster.processes import run, spawn, wait_until
from testbed.images import recipes

#: A kubelet writes these settings of the whole machine. It does not where it reads the value that it wants
#: (pkg/kubelet/cm: setupKernelTunables), so that it sees files of ours in their place.
TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
#: Fixed paths of kubelet, containerd and CNI, whatever their root folder is set to: private to each node.
PRIVATE = ("kubelet", "containerd", "cni")


def enter(bed: Bed, node: Node) -> list[str]:
    """The argv prefix that runs a command inside the node."""
    return ["nsenter", "-t", str(init_pid(bed, node)), "-p", "-m", "-n", "-u", "-i", "--"]


def init_pid(bed: Bed, node: Node) -> int:
    """PID 1 of the node, as the machine numbers it. "PID STARTTIME" is on disk: a recycled number is no init."""
    try:
        pid, start = (node.state / "init").read_text().split()
        if _start_time(int(pid)) == start:
            return int(pid)
    except (OSError, ValueError):
        pass  # never started, or ended: the same answer
    raise BedError(f"node {node.name} is not up: run `python -m testbed.cluster up` (bed {bed.number})")


def _start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # field 22 of proc(5)


def make(bed: Bed, node: Node, journal: Journal) -> None:
    for folder in (*PRIVATE, "log", "cgroup"):
        (node.state / folder).mkdir(parents=True, exist_ok=True)
    for name in PRIVATE:  # mount points; nothing is written there outside the node
        _mount_point(Path("/var/lib") / name, journal)
    _network(node, journal)
    cgroups.make(node.host_name, journal)
    _init(bed, node)
    _mounts(bed, node)


def _mount_point(folder: Path, journal: Journal) -> None:
    if not folder.exists():
        journal.record("folder", str(folder))
        folder.mkdir()


def _network(node: Node, journal: Journal) -> None:
    """A cable from the machine to the node's eth0. Of the machine's own network nothing else changes."""
    if run(["ip", "-j", "addr", "show", "to", f"{node.gateway}/24"]).strip() not in ("[]", "", "[{}]"):
        raise BedError(
            f"this machine already has an address in {node.gateway}/24, the network of node {node.name}: take another "
            "bed with --bed 1 (or up to 19), or end what has it (another test bed?)"
        )
    journal.record("netns", node.host_name)
    run(["ip", "netns", "add", node.host_name])
    journal.record("link", node.host_name)
    run(["ip", "link", "add", node.host_name, "type", "veth", "peer", "name", "eth0", "netns", node.host_name])
    run(["ip", "addr", "add", f"{node.gateway}/24", "dev", node.host_name])
    inside = ["ip", "-n", node.host_name]
    run([*inside, "addr", "add", f"{node.address}/24", "dev", "eth0"])
    if has_ipv6():
        run(["ip", "addr", "add", f"{node.gateway6}/64", "dev", node.host_name, "nodad"])
        run([*inside, "addr", "add", f"{node.address6}/64", "dev", "eth0", "nodad"])
    run(["ip", "link", "set", node.host_name, "up"])
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "link", "set", "eth0", "up"])
    # Some default route: kubelet and kube-proxy look for one. It leads to the machine, which does not forward.
    run([*inside, "route", "add", "default", "via", node.gateway])
    if shutil.which("modprobe"):  # where bridge netfilter is a module; built in or absent elsewhere: failing is fine
        subprocess.run(["modprobe", "-q", "br_netfilter"], check=False, capture_output=True)
    _settings(node)


def _settings(node: Node) -> None:
    """Forwarding, in the node's namespace only. bridge-nf-call: without it the reply of a Service whose pod is on the
    client's own bridge bypasses the translation.
    """
    wanted = ["net/ipv4/ip_forward=1"]
    if Path("/proc/sys/net/bridge").exists():
        wanted += ["net/bridge/bridge-nf-call-iptables=1", "net/bridge/bridge-nf-call-ip6tables=1"]
    if has_ipv6():
        wanted += ["net/ipv6/conf/all/forwarding=1"]
    run(["nsenter", f"--net={node.netns}", "sysctl", "-qw", *wanted], what="setting up forwarding in the node")


def connect(one: Node, other: Node) -> None:
    """The wire between two nodes: unnumbered, so that each node has one address, on eth0."""
    cable, plug = f"to-{other.name}", f"to-{one.name}"
    run(
        [
            "ip",
            "-n",
            one.host_name,
            "link",
            "add",
            cable,
            "type",
            "veth",
            "peer",
            "name",
            plug,
            "netns",
            other.host_name,
        ]
    )
    for near, far, device in ((one, other, cable), (other, one, plug)):
        inside = ["ip", "-n", near.host_name]
        link_local, neighbour = f"fe80::{near.number}", f"fe80::{far.number}"
        if has_ipv6():
            run([*inside, "addr", "add", f"{link_local}/64", "dev", device, "nodad"])
        run([*inside, "link", "set", device, "up"])
        run([*inside, "route", "add", f"{far.address}/32", "dev", device, "src", near.address])
        run([*inside, "route", "add", far.pods, "via", far.address, "dev", device, "src", near.address, "onlink"])
        if has_ipv6():
            for target in (f"{far.address6}/128", far.pods6):
                run([*inside, "-6", "route", "add", target, "via", neighbour, "dev", device, "src", near.address6])


def _init(bed: Bed, node: Node) -> None:
    outer = spawn(
        bed,
        [
            "nsenter",
            f"--net={node.netns}",
            "unshare",
            "--pid",
            "--mount",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            recipes.compiled("pause"),
        ],
        bed.logs / f"{node.name}-init.log",
    )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")

    def started() -> bool:
        pids = children.read_text().split()
        return bool(pids) and Path(f"/proc/{pids[0]}/comm").read_text().strip() == "pause"

    wait_until(started, f"PID 1 of {node.name}", 10, {"unshare": (outer, bed.logs / f"{node.name}-init.log")})
    pid = int(children.read_text().split()[0])
    (node.state / "init").write_text(f"{pid} {_start_time(pid)}")


def _mounts(bed: Bed, node: Node) -> None:
    """The file system of a node: /proc and /sys show its own processes and interfaces; /run, /var/log and the fixed
    folders are its own, so that nodes do not meet each other or the machine's containerd, and socket paths stay short.
    """
    inside = enter(bed, node)
    carry = node.state / "cgroup"

    def mount(*words: str | Path) -> None:
        run([*inside, "mount", *words], what=f"a mount in node {node.name}")

    run([*inside, "hostname", node.name])
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    for name, value in TUNABLES.items():
        stand_in = node.state / "sys" / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text(value + "\n")
        mount("--bind", stand_in, Path("/proc/sys") / name)
    mount("--rbind", "/sys/fs/cgroup", carry)  # a fresh sysfs has no cgroups: carried over it
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", carry, "/sys/fs/cgroup")
    run([*inside, "umount", "-l", carry])
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in PRIVATE:
        mount("--bind", node.state / name, Path("/var/lib") / name)
    mount("--bind", node.state / "log", "/var/log")
    mount("--make-rshared", "/")  # volumes with mountPropagation need a shared root
