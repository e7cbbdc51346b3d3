"""The search for what is left finds real processes by their home, and says what it found."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from testbed.matrix.search import Left, here
from testbed.wait import until


def test_processes_are_found_by_their_home_until_they_end(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "home2"
    env = {**os.environ, "K8S_EXTCAP_HOME": str(home)}
    with subprocess.Popen(["sleep", "60"], env=env, start_new_session=True) as process:
        try:
            until(lambda: here(home))  # a program's environment is there a moment after it was started
            found = here(home)
            assert [line.split()[:2] for line in found] == [[str(process.pid), "sleep"]]
            assert here(other) == ()
        finally:
            process.send_signal(signal.SIGKILL)
    assert here(home) == ()


def test_nothing_left_is_false_and_anything_is_said() -> None:
    assert not Left()
    journal = Left(journals=("a.jsonl",))
    assert journal
    assert not journal.far
    both = Left(processes=("tcpdump -n",), objects=("job a/b",))
    assert both.far
    assert both.kinds() == "process in the pod, object"
    assert both.spoken() == "process in the pod: tcpdump -n; object: job a/b"
