"""What is written before the deed survives any death; the lock outlives a killed holder just long enough."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.cluster.errors import BedError
from testbed.cluster.journal import Entry, Journal
from testbed.cluster.lock import only_one

HOLDER = """
import os, sys, time
from pathlib import Path
from testbed.cluster.lock import only_one
with only_one(Path(sys.argv[1]), 0):
    child = os.fork()
    if child == 0:  # between fork and exec, for two seconds
        time.sleep(2)
        os.execv("/bin/sleep", ["sleep", "20"])
    print(child, flush=True)
    time.sleep(60)
"""


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal.jsonl")
    assert journal.entries() == ()
    journal.record("netns", "kx-n1")
    journal.record("setting", "/sys/x", "-cpu")
    assert journal.entries() == (Entry("netns", "kx-n1"), Entry("setting", "/sys/x", "-cpu"))
    assert journal.path.stat().st_mode & 0o777 == 0o600
    journal.forget()
    journal.forget()
    assert journal.entries() == ()


def test_a_torn_last_line_is_a_deed_not_begun(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.record("netns", "one")
    journal.record("link", "two")
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        journal.path.write_bytes(whole[:cut])
        assert journal.entries() == (Entry("netns", "one"),), cut


def test_only_kinds_that_down_can_undo(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tunnel"):
        Journal(tmp_path / "journal.jsonl").record("tunnel", "x")


def test_the_second_waits_and_then_says_who_is_first(tmp_path: Path) -> None:
    with only_one(tmp_path / "lock", 0), pytest.raises(BedError, match=f"process {os.getpid()}"):  # noqa: SIM117
        with only_one(tmp_path / "lock", 0.2):
            pass
    with only_one(tmp_path / "lock", 0):
        pass


def test_a_killed_holder_keeps_the_lock_until_its_child_is_its_program(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        holder.kill()
    try:
        with pytest.raises(BedError, match="another command"), only_one(tmp_path / "lock", 0):
            pass
        with only_one(tmp_path / "lock", 30):
            assert Path(f"/proc/{child}/cmdline").read_bytes() == b"sleep\x0020\x00"
    finally:
        os.kill(child, 9)
        time.sleep(0)
