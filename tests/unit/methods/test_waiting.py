"""The waiting commands of the ephemeral container and of the helper pod: when they end themselves."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from k8s_extcap.methods import beside, helper

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "ash"]}
OURS, NEIGHBOUR = "12:pids:/kubepods/pod1/aaa\n", "12:pids:/kubepods/pod1/bbb\n"
BIG = "86400"


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    return SHELLS[request.param]


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with this container's shell in it and a neighbour that shares the PID namespace."""
    for pid, text in (("self", OURS), ("1", NEIGHBOUR), ("40", NEIGHBOUR)):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "cgroup").write_text(text)
    return tmp_path / "proc"


def add(proc: Path, pid: int) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cgroup").write_text(OURS)


def waits(shell: list[str], proc: Path, idle: int, left: str = BIG) -> subprocess.Popen[bytes]:
    """The ephemeral container's command, looking once a second."""
    return subprocess.Popen([*shell, "-c", beside.WAIT, "k8s-extcap", str(idle), left, "1", str(proc)])


def on_node(shell: list[str], proc: Path, folder: Path, idle: int, left: str = BIG) -> subprocess.Popen[bytes]:
    words = ("k8s-extcap", str(idle), left, "1", str(folder), str(proc))
    return subprocess.Popen([*shell, "-c", helper.WAIT, *words])


def test_it_ends_itself_although_neighbours_run(shell: list[str], proc: Path) -> None:
    assert waits(shell, proc, 1).wait(20) == 0


def test_a_capture_keeps_it(shell: list[str], proc: Path) -> None:
    add(proc, 77)
    running = waits(shell, proc, 1)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(3)
    (proc / "77" / "cgroup").unlink()
    assert running.wait(20) == 0


def test_a_capture_does_not_keep_it_beyond_the_hard_limit(shell: list[str], proc: Path) -> None:
    add(proc, 77)
    assert waits(shell, proc, 60, left="2").wait(20) == 0


def test_a_pods_deletion_need_not_wait_for_it(shell: list[str], proc: Path) -> None:
    add(proc, 77)
    running = waits(shell, proc, 60)
    time.sleep(0.5)  # the shell must have set its trap
    running.send_signal(signal.SIGTERM)
    assert running.wait(5) == 0


def test_the_helper_ends_itself(shell: list[str], proc: Path, tmp_path: Path) -> None:
    assert on_node(shell, proc, tmp_path, 1).wait(20) == 0


def test_a_capture_in_the_helper_keeps_it_and_a_reused_number_does_not(
    shell: list[str], proc: Path, tmp_path: Path
) -> None:
    add(proc, 77)
    for pid in (40, 77, 99):
        (tmp_path / f"busy-{pid}").write_text("")
    running = on_node(shell, proc, tmp_path, 1)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(3)
    (proc / "77" / "cgroup").write_text(NEIGHBOUR)  # its number belongs to another container's process now
    assert running.wait(20) == 0
