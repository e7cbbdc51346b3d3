"""The demo network: one bridge in the node's own namespace, a veth pair for each pod, IPv4 and IPv6."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

BRIDGE = "cni0"
GATEWAY4, GATEWAY6 = "10.88.0.1", "fd00:88::1"
PREFIX4, PREFIX6 = 16, 64


def have_ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists()


def _run(lines: Iterable[str]) -> None:
    text = "\n".join(lines) + "\n"
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"The demo network could not be made: {done.stderr.strip()[:200]}")


def make_bridge() -> None:
    """Runs in the node's namespace. The bridge lives and dies with it; the machine's network is never touched."""
    lines = [
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} up",
        f"addr add {GATEWAY4}/{PREFIX4} dev {BRIDGE}",
    ]
    if have_ipv6():
        lines.append(f"addr add {GATEWAY6}/{PREFIX6} dev {BRIDGE} nodad")
    _run(lines)


def join(pid: int, index: int) -> str:
    """Connect the namespace of `pid`; gives the name of the end that stays on the node."""
    host_end = f"veth{index:05x}"
    _run(
        [
            f"link add {host_end} type veth peer name eth0 netns {pid}",
            f"link set {host_end} master {BRIDGE} up",
        ]
    )
    return host_end


def configure(ipv4: str, ipv6: str) -> None:
    """Runs inside the pod's namespace after `join`."""
    lines = [
        "link set lo up",
        f"addr add {ipv4}/{PREFIX4} dev eth0",
        "link set eth0 up",
        f"route add default via {GATEWAY4}",
    ]
    if have_ipv6():
        # Without duplicate address detection the address works at once, not after a second.
        lines.insert(2, f"addr add {ipv6}/{PREFIX6} dev eth0 nodad")
    _run(lines)
