"""Processes are found by what they are and ended by what they are; nobody else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import processes
from testbed.cluster.bed import MARK, Bed
from testbed.cluster.errors import BedError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    processes.end(lambda: processes.belonging(made))


def test_a_spawned_process_is_found_and_ended(bed: Bed, tmp_path: Path) -> None:
    daemon = processes.spawn(bed, ["sleep", "1000"], tmp_path / "log")
    # The kernel shows a new program's environment an instant after it has started it.
    processes.wait_until(lambda: processes.belonging(bed) == [daemon.pid], "the process", 10)
    assert processes.end(lambda: processes.belonging(bed)) == 1
    assert daemon.wait() == -9


def test_grandchildren_are_found_as_well(bed: Bed, tmp_path: Path) -> None:
    daemon = processes.spawn(bed, ["sh", "-c", "sleep 1000 & sleep 1000 & wait"], tmp_path / "log")
    processes.wait_until(lambda: len(processes.belonging(bed)) == 3, "three processes", 10)
    assert processes.end(lambda: processes.belonging(bed)) == 3
    assert daemon.wait() == -9


@pytest.mark.parametrize("environment", ["", "{mark}x", "x{mark}", "{root}#1"])
def test_a_stranger_is_not_found(bed: Bed, environment: str) -> None:
    value = environment.format(mark=bed.mark, root=bed.root)
    with subprocess.Popen(["sleep", "1000", f"{MARK}={bed.mark}"], env={MARK: value, "NOTE": bed.mark}) as stranger:
        assert processes.belonging(bed) == []
        stranger.kill()


def test_our_own_network_namespace_is_no_sign(bed: Bed) -> None:
    assert processes.belonging(bed, [Path("/proc/self/ns/net"), Path("/run/netns/absent")]) == []


def test_the_daemon_does_not_inherit_kubeconfig_or_python_settings(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/mine")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    processes.spawn(bed, ["env"], tmp_path / "log", path_first=Path("/first")).wait()
    lines = (tmp_path / "log").read_text().splitlines()
    assert f"{MARK}={bed.mark}" in lines
    assert [line for line in lines if "/mine" in line] == []
    assert next(line for line in lines if line.startswith("PATH=")).startswith("PATH=/first:")


def test_a_daemon_that_ends_is_quoted(bed: Bed, tmp_path: Path) -> None:
    log = tmp_path / "log"
    daemon = processes.spawn(bed, ["sh", "-c", "echo first; echo 'wrong flag --x' >&2; exit 3"], log)
    with pytest.raises(BedError, match="etcd ended with status 3: wrong flag --x"):
        processes.wait_until(lambda: False, "nothing", 10, {"etcd": (daemon, log)})


def test_waiting_ends_and_says_for_what() -> None:
    with pytest.raises(BedError, match="waiting for the moon"):
        processes.wait_until(lambda: False, "the moon", 0.1)


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo lost >&2; exit 1", "lost"), ("echo out; exit 2", "out"), ("exit 4", "it said nothing")],
)
def test_a_failed_command_is_quoted(script: str, words: str) -> None:
    with pytest.raises(BedError, match=words):
        processes.run(["sh", "-c", script], what="a test")


def test_a_cgroup_is_joined_before_the_program_starts(bed: Bed, tmp_path: Path) -> None:
    """`0` written into cgroup.procs means the writer: here an ordinary file shows that it is written at all."""
    file = tmp_path / "cgroup.procs"
    processes.spawn(bed, ["cat", str(file)], tmp_path / "log", join=[file]).wait()
    assert (tmp_path / "log").read_text() == "0"
    assert os.getpid() not in processes.belonging(bed)
