"""`down` leaves nothing, wherever `up` was killed. Searched by code that shares nothing with the clean-up.

On a bed of their own beside everybody's, without the catalogue: these tests disturb no other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster.up import why_not

NUMBER = 7
NAME = f"kx{NUMBER}-n"  # what the machine calls the nodes of that bed
NETWORKS = (f"10.250.{NUMBER}1.", f"10.250.{NUMBER}2.", f"fd00:10:250:{NUMBER}1:", f"fd00:10:250:{NUMBER}2:")
COMMAND = [sys.executable, "-m", "testbed.cluster", "--bed", str(NUMBER)]
REPOSITORY = Path(__file__).parents[2]
SETTINGS = ("vm.overcommit_memory", "kernel.panic", "kernel.panic_on_oops", "net.ipv4.ip_forward")

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


def root() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("K8S_EXTCAP_TESTBED") or Path(cache) / "k8s-extcap" / "testbed")


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def processes() -> list[str]:
    """By the bed's folder in anything that a process has: its words, environment, mounts and open files."""
    folder = f"/bed{NUMBER}"
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            seen = (
                (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes() + (entry / "mountinfo").read_bytes()
            )
            links = "".join(str(link.readlink()) for link in (entry / "fd").iterdir())
        except OSError:
            continue
        if f"testbed#{NUMBER}" in seen.decode(errors="replace") or folder in seen.decode(errors="replace") + links:
            found.append(f"{entry.name} {(entry / 'cmdline').read_text()!r}")
    return found


def leftovers() -> dict[str, object]:
    """Everything that a bed makes on a machine, by kind; only what was found."""
    rules = said("iptables-save") + said("ip6tables-save") + said("nft", "list", "ruleset")
    links = [link["ifname"] for link in json.loads(said("ip", "-j", "link"))]
    routes = [
        line for family in ("-4", "-6") for line in said("ip", family, "route", "show", "table", "all").splitlines()
    ]
    groups = [str(p) for p in Path("/sys/fs/cgroup").glob("**/" + NAME + "*")]
    found: dict[str, object] = {
        "processes": processes(),
        "links": [name for name in links if name.startswith(NAME)],
        "namespaces": [line for line in said("ip", "netns", "list").splitlines() if line.startswith(NAME)],
        "routes": [line for line in routes if any(network in line for network in NETWORKS)],
        "groups": groups,
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/bed{NUMBER}/" in line],
        "rules": [line for line in rules.splitlines() if "KUBE-" in line or "kube-proxy" in line or "cni0" in line],
        "journal": [str(p) for p in root().glob(f"bed{NUMBER}/journal*")],
    }
    return {kind: things for kind, things in found.items() if things}


def machine() -> dict[str, object]:
    """What a bed must not change on the machine, down to the folders that it needs as mount points."""
    state = Path("/var/lib")
    return {
        "settings": {name: said("sysctl", "-n", name) for name in SETTINGS},
        "folders": sorted(name for name in ("kubelet", "containerd", "cni") if (state / name).exists()),
        "plugins": Path("/usr/libexec/kubernetes").exists(),
        "run": sorted(p.name for p in Path("/run").iterdir() if "containerd" in p.name or "flannel" in p.name),
    }


@pytest.fixture
def clean() -> Iterator[None]:
    if reason := why_not():
        pytest.skip(reason)
    subprocess.run([*COMMAND, "wipe"], cwd=REPOSITORY, check=True, capture_output=True)
    assert leftovers() == {}
    yield
    subprocess.run([*COMMAND, "wipe"], cwd=REPOSITORY, check=True, capture_output=True)


def killed_up(sign: str, *words: str) -> None:
    """Start `up` and end it with SIGKILL as soon as the sign of a stage is seen."""
    argv = [*COMMAND, "up", "--bare", *words]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        has_begun(process, sign.replace("STATE", str(root() / f"bed{NUMBER}")))
        process.kill()


def has_begun(process: subprocess.Popen[bytes], sign: str) -> None:
    """Wait for a sign of a stage: a line of `up`, or a path that appears."""
    until = time.monotonic() + 120
    if sign.startswith("/"):
        while not Path(sign).exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.001)
        return
    assert process.stdout is not None
    for line in process.stdout:
        if sign.encode() in line:
            return
    pytest.fail(f"`up` ended without {sign!r}")


STAGES = [
    f"/run/netns/{NAME}1",
    f"/sys/class/net/{NAME}1",
    "STATE/n1/init",
    f"/run/netns/{NAME}2",
    "STATE/cl/log/n1-etcd.log",
    "STATE/cl/log/n2-containerd.log",
    "API server answers",
    "STATE/cl/log/n2-kubelet.log",
    "nodes Ready",
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.usefixtures("clean")
def test_nothing_is_left_after_up_was_killed(stage: str) -> None:
    before = machine()
    killed_up(stage)
    assert leftovers() != {}  # there was something to remove
    subprocess.run([*COMMAND, "down"], cwd=REPOSITORY, check=True, capture_output=True)
    assert leftovers() == {}
    assert machine() == before


@pytest.mark.usefixtures("clean")
def test_a_whole_life_leaves_nothing() -> None:
    """Up, up again (nothing to do), asked for another version, status, down, status, down again."""
    before = machine()
    lines = subprocess.run([*COMMAND, "up", "--bare"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "nodes Ready: n1" in lines.stdout
    again = subprocess.run([*COMMAND, "up", "--bare"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "already up" in again.stdout
    assert "nodes Ready" not in again.stdout
    other = subprocess.run(
        [*COMMAND, "up", "--nodes", "1"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert other.returncode == 1
    assert "is up with other parts" in other.stderr
    assert subprocess.run([*COMMAND, "status"], cwd=REPOSITORY, capture_output=True, check=False).returncode == 0
    assert leftovers() != {}
    subprocess.run([*COMMAND, "down"], cwd=REPOSITORY, check=True, capture_output=True)
    assert leftovers() == {}
    assert machine() == before
    assert subprocess.run([*COMMAND, "status"], cwd=REPOSITORY, capture_output=True, check=False).returncode == 1
    subprocess.run([*COMMAND, "down"], cwd=REPOSITORY, check=True, capture_output=True)


@pytest.mark.usefixtures("clean")
def test_up_repairs_what_a_killed_up_left() -> None:
    killed_up("STATE/cl/log/n1-apiserver.log", "--nodes", "1")
    lines = subprocess.run(
        [*COMMAND, "up", "--bare", "--nodes", "1"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "was cut short" in lines.stdout
    assert "nodes Ready: n1" in lines.stdout


@pytest.mark.usefixtures("clean")
def test_a_stranger_is_not_ended() -> None:
    """Whoever merely names the bed in its command line is not of the bed: only the mark and the namespace count."""
    folder = root() / f"bed{NUMBER}"
    stranger = subprocess.Popen(["sleep", "1000"], env={"NOTE": f"{folder} K8S_EXTCAP_BED={folder}"})
    try:
        killed_up("API server answers", "--nodes", "1")
        subprocess.run([*COMMAND, "down"], cwd=REPOSITORY, check=True, capture_output=True)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
