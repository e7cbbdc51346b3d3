"""A helper that nobody waits for: where it stands, and what it keeps of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8s_extcap.edge import spawn


def test_it_has_a_session_of_its_own_no_stream_of_ours_and_our_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = "pwd; ps -o sid= -p $$; readlink /proc/self/fd/0 /proc/self/fd/2"
    pid = spawn.detached(["/bin/sh", "-c", f"{{ {told}; }} >said"])
    os.waitpid(pid, 0)
    folder, session, *streams = (tmp_path / "said").read_text().split()
    assert folder == str(tmp_path)  # a relative KUBECONFIG means the same file there
    assert session == str(pid)
    assert streams == ["/dev/null", "/dev/null"]


def test_what_cannot_be_started_ends_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    _, status = os.waitpid(spawn.detached(["/no/such/program"]), 0)
    assert os.waitstatus_to_exitcode(status) == 127
    assert capfd.readouterr() == ("", "")
