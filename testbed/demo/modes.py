"""How the pods become real: as root, in a user namespace, or not at all (replay)."""

from __future__ import annotations

import enum
import os
import shutil
import subprocess

# Namespaces of the node process. IPC and UTS are private so that nothing of the machine is shared but its files.
_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
# In a user namespace we keep our own uid and make its capabilities ambient. Mapped to root instead, Debian's tcpdump
# fails: it drops privileges with initgroups(3), which such a namespace forbids (user_namespaces(7), setgroups).
_USER = ("--user", "--map-current-user", "--keep-caps")
# Creates what the demo needs: a veth pair shows that the network namespace is really ours.
_PROBE = ("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
_PROBE_SECONDS = 10


class Mode(enum.StrEnum):
    """In the order of preference."""

    ROOT = "root"
    USERNS = "userns"
    REPLAY = "replay"


def prefix(mode: Mode) -> tuple[str, ...]:
    """What to put before the node's command line."""
    if mode is Mode.REPLAY:
        return ()
    return ("unshare", *(_USER if mode is Mode.USERNS else ()), *_NAMESPACES)


def refusal(mode: Mode) -> str:
    """Why this machine cannot run pods in `mode`; empty if it can."""
    if mode is Mode.REPLAY:
        return ""
    if mode is Mode.ROOT and os.geteuid() != 0:
        return "not root"
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            return f"the program {tool} is not installed"
    try:
        done = subprocess.run(
            [*prefix(mode), *_PROBE], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"unshare did not answer within {_PROBE_SECONDS} s"
    if done.returncode != 0:
        return (done.stderr.strip() or f"unshare ended with {done.returncode}")[:200]
    return ""


def choose() -> tuple[Mode, str]:
    """The best mode this machine allows, and why not a better one (empty for the best)."""
    reasons: list[str] = []
    for mode in Mode:
        reason = refusal(mode)
        if not reason:
            return mode, "; ".join(reasons)
        reasons.append(f"{mode}: {reason}")
    raise AssertionError("replay is always possible")
