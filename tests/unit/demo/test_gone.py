"""When the demo cluster ends, however it ends, nothing of it is left. The search shares no code with it."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from testbed import ordinary
from testbed.demo import DemoCluster, Mode

pytestmark = [pytest.mark.demo, pytest.mark.slow]

NAMESPACES = ("net", "pid", "mnt", "uts", "user")


def _tree(root: int) -> set[int]:
    """A process and all its descendants, by /proc."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _links(pid: int) -> set[str]:
    """The namespaces of a process, but for those it shares with us."""
    names = set()
    for kind in NAMESPACES:
        try:
            names.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
        except OSError:
            continue
    return names - {str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in NAMESPACES}


def _started(pid: int) -> float:
    """Seconds after boot; infinite for a process that is no more."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return math.inf
    return ticks / os.sysconf("SC_CLK_TCK")


def _alive(pids: set[int], namespaces: set[str], asked: float) -> list[int]:
    """Of the processes that were there when the end was asked for: numbers of processes and namespaces come again."""
    everybody = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    mine = [pid for pid in everybody if pid in pids or _links(pid) & namespaces]
    return [pid for pid in mine if _started(pid) <= asked]


def _nothing_left(pids: set[int], namespaces: set[str], asked: float) -> list[int]:
    end = time.monotonic() + 10
    while (left := _alive(pids, namespaces, asked)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _links_of_the_machine() -> set[str]:
    """Those named as the demo names its own; others come and go on a machine in use."""
    names = (entry.name for entry in Path("/sys/class/net").iterdir())
    return {name for name in names if re.fullmatch(r"cni0|veth[0-9a-f]{5}", name)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_after_a_signal(number: signal.Signals) -> None:
    before = _links_of_the_machine()
    argv = [sys.executable, "-m", "testbed.demo", "--json"]
    source = Path(__file__).resolve().parents[3]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=source) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        pids = _tree(server.pid)
        namespaces = set().union(*(_links(pid) for pid in pids))
        # The server, unshare, the node, and for each of a dozen pods a sandbox, a shim and a container.
        assert len(pids) > 30
        assert len([name for name in namespaces if name.startswith("net:")]) > 10
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        server.send_signal(number)
        server.wait(20)
    assert _nothing_left(pids, namespaces, asked) == []
    assert _links_of_the_machine() - before == set()


def test_nothing_is_left_after_the_node_was_killed() -> None:
    with DemoCluster.start() as cluster:
        pids = _tree(cluster.node_pid)
        namespaces = set().union(*(_links(pid) for pid in pids))
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        os.kill(cluster.node_pid, signal.SIGKILL)
        assert _nothing_left(pids, namespaces, asked) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_nothing_is_left_of_an_ordinary_users_namespace() -> None:
    """The kernel forgets PR_SET_PDEATHSIG at some changes of rights; making a user namespace must not be one."""
    site = Path(aiohttp.__file__).resolve().parents[1]
    with (
        ordinary.prefix(site) as user,
        DemoCluster.start(mode=Mode.USERNS, prefix=user, python="/usr/bin/python3") as cluster,
    ):
        pids = _tree(cluster.process.pid)
        namespaces = set().union(*(_links(pid) for pid in pids))
        assert len([name for name in namespaces if name.startswith("net:")]) > 10
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        cluster.process.kill()
        cluster.process.wait()
        assert _nothing_left(pids, namespaces, asked) == []
    shutil.rmtree(cluster.kubeconfig.parent)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_replay_pods(number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "testbed.demo", "--json", "--mode", Mode.REPLAY]
    source = Path(__file__).resolve().parents[3]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=source) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        pids = _tree(server.pid)
        assert len(pids) > 20
        asked = time.clock_gettime(time.CLOCK_BOOTTIME)
        server.send_signal(number)
        server.wait(20)
    assert _nothing_left(pids, set(), asked) == []


def test_the_folder_goes_with_an_orderly_end() -> None:
    with DemoCluster.start() as cluster:
        folder = cluster.kubeconfig.parent
        assert oct(cluster.kubeconfig.stat().st_mode)[-3:] == "600"
    assert not folder.exists()
