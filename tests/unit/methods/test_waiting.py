"""The waiting commands of the ephemeral container, of a copy and of the helper pod: when they end themselves."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from k8s_extcap.methods import beside, helper
from testbed.wait import until

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "ash"]}
OURS, NEIGHBOUR = "12:pids:/kubepods/pod1/aaa\n", "12:pids:/kubepods/pod1/bbb\n"
BIG = "86400"


class Room(NamedTuple):
    """A shell, and a folder of its own with a /proc: this container's shell in it, and a neighbour that shares the PID
    namespace.
    """

    shell: list[str]
    folder: Path

    @property
    def proc(self) -> Path:
        return self.folder / "proc"

    def add(self, pid: int, group: str = OURS) -> None:
        (self.proc / str(pid)).mkdir(parents=True)
        (self.proc / str(pid) / "cgroup").write_text(group)

    def waits(self, idle: int, left: str = BIG) -> subprocess.Popen[bytes]:
        """The ephemeral container's command, looking once a second."""
        return subprocess.Popen([*self.shell, "-c", beside.WAIT, "k8s-extcap", str(idle), left, "1", str(self.proc)])

    def in_copy(self, idle: int, left: str = BIG) -> subprocess.Popen[bytes]:
        """A copy's command; its volume is the room's folder."""
        words = ("k8s-extcap", str(idle), left, "1", str(self.proc), str(self.folder))
        return subprocess.Popen([*self.shell, "-c", beside.EVICT, *words])

    @property
    def beyond(self) -> bool:
        """Whether the volume holds more than its limit, as the kubelet counts: by blocks."""
        file = self.folder / "over"
        assert beside.VOLUME["emptyDir"] == {"sizeLimit": "1Mi"}
        return file.exists() and file.stat().st_blocks * 512 > 1 << 20

    def on_node(self, idle: int, left: str = BIG) -> subprocess.Popen[bytes]:
        words = ("k8s-extcap", str(idle), left, "1", str(self.folder), str(self.proc))
        return subprocess.Popen([*self.shell, "-c", helper.WAIT, *words])


@pytest.fixture
def rooms(tmp_path: Path) -> list[Room]:
    """One for each shell: they wait side by side."""
    made = [Room(words, tmp_path / name) for name, words in SHELLS.items()]
    for room in made:
        (room.proc / "self").mkdir(parents=True)
        (room.proc / "self" / "cgroup").write_text(OURS)
        for pid in (1, 40):
            room.add(pid, NEIGHBOUR)
    return made


def end(running: list[subprocess.Popen[bytes]], seconds: float = 20) -> None:
    """They end by themselves, without an error."""
    for process in running:
        assert process.wait(seconds) == 0, process.args


def keep_on(running: list[subprocess.Popen[bytes]], seconds: float = 3) -> None:
    time.sleep(seconds)
    for process in running:
        assert process.poll() is None, process.args


def stop(running: list[subprocess.Popen[bytes]]) -> None:
    """As the kubelet does: it need not wait for them."""
    for process in running:
        process.send_signal(signal.SIGTERM)
    end(running, 5)


def only_the_hard_limit_evicts(rooms: list[Room]) -> None:
    running = [room.in_copy(1, left="4") for room in rooms]
    keep_on(running, 2.5)
    assert not any(room.beyond for room in rooms)
    assert until(lambda: all(room.beyond for room in rooms), 20)
    stop(running)


def test_it_ends_itself_although_neighbours_run(rooms: list[Room]) -> None:
    end([room.waits(1) for room in rooms])


def test_a_capture_keeps_it(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
    running = [room.waits(1) for room in rooms]
    keep_on(running)
    for room in rooms:
        (room.proc / "77" / "cgroup").unlink()
    end(running)


def test_a_capture_does_not_keep_it_beyond_the_hard_limit(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
    end([room.waits(60, left="2") for room in rooms])


def test_a_pods_deletion_need_not_wait_for_it(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
    running = [room.waits(60) for room in rooms]
    keep_on(running, 0.5)  # the shell must have set its trap
    stop(running)


def test_a_copy_that_nobody_uses_has_its_pod_evicted(rooms: list[Room]) -> None:
    running = [room.in_copy(1) for room in rooms]
    assert until(lambda: all(room.beyond for room in rooms), 20)
    keep_on(running, 2)  # an end of the container alone would only have it started again
    stop(running)


def test_a_capture_keeps_a_copy_and_not_beyond_the_hard_limit(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
    only_the_hard_limit_evicts(rooms)


def test_a_copy_that_cannot_tell_a_capture_waits_for_the_hard_limit(rooms: list[Room]) -> None:
    for room in rooms:
        (room.proc / "self" / "cgroup").unlink()
    only_the_hard_limit_evicts(rooms)


def test_a_copys_container_that_was_started_again_does_not_wait_anew(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
        (room.folder / "over").write_bytes(b"")  # it was killed in the middle of its last deed
    running = [room.in_copy(3600) for room in rooms]
    assert until(lambda: all(room.beyond for room in rooms), 20)
    stop(running)


def test_a_copy_on_a_full_disk_tries_again(rooms: list[Room]) -> None:
    for room in rooms:
        (room.folder / "over").mkdir()  # as little as on a full disk can be written
    running = [room.in_copy(1) for room in rooms]
    keep_on(running, 2.5)
    for room in rooms:
        (room.folder / "over").rmdir()
    assert until(lambda: all(room.beyond for room in rooms), 20)
    stop(running)


def test_the_helper_ends_itself(rooms: list[Room]) -> None:
    end([room.on_node(1) for room in rooms])


def test_a_capture_in_the_helper_keeps_it_and_a_reused_number_does_not(rooms: list[Room]) -> None:
    for room in rooms:
        room.add(77)
        for pid in (40, 77, 99):
            (room.folder / f"busy-{pid}").write_text("")
    running = [room.on_node(1) for room in rooms]
    keep_on(running)
    for room in rooms:
        (room.proc / "77" / "cgroup").write_text(NEIGHBOUR)  # its number belongs to another container's process now
    end(running)
