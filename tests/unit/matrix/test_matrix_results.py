"""The results' file: what a killed run leaves can be read and gone on with, and nothing real is hidden."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.matrix import results
from testbed.matrix.__main__ import arguments, done
from testbed.matrix.results import ROOT, Result

ONE = Result("part", {"kind": "a", "node": "n1"}, "works", "", 1.5, "abc", "2026-01-01T00:00:00Z", {"k": "1"}, {"p": 3})
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from testbed.matrix import results
from tests_one import ONE
n = 0
while True:
    results.append(Path(sys.argv[1]), replace(ONE, what={"n": str(n)}))
    print(n, flush=True)
    n += 1
"""


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "m.jsonl"
    second = replace(ONE, what={"kind": "b"}, sentence="Zürich says „no“\nin two lines")
    results.append(file, ONE)
    results.append(file, second)
    assert results.read(file) == [ONE, second]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", range(1, 176, 7))
def test_a_line_that_was_cut_costs_itself_only(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "m.jsonl"
    results.append(file, ONE)
    whole = file.stat().st_size
    results.append(file, replace(ONE, what={"kind": "lost"}))
    assert whole + cut < file.stat().st_size - 1
    os.truncate(file, whole + cut)
    results.append(file, replace(ONE, what={"kind": "next"}))
    assert [r.what["kind"] for r in results.read(file)] == ["a", "next"]


def test_what_a_killed_writer_had_said_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    (tmp_path / "tests_one.py").write_text(f"from testbed.matrix.results import Result\nONE = {ONE!r}\n")
    path = os.pathsep.join((str(ROOT), str(tmp_path)))
    words = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(30)]
        writer.send_signal(signal.SIGKILL)
    found = [r.what["n"] for r in results.read(file)]
    assert found[:30] == [line.strip() for line in said]
    assert found == [str(n) for n in range(len(found))]


def test_the_last_word_counts_and_not_run_is_none() -> None:
    failed, works, never = (replace(ONE, verdict=v, sentence=v) for v in ("failed", "works", "not run"))
    assert results.latest([failed, works]) == [works]
    assert results.latest([works, never]) == [works]
    assert results.latest([never, failed]) == [failed]
    assert results.latest([never]) == [never]
    other = replace(ONE, part="other")
    assert results.latest([ONE, other, failed]) == [failed, other]


@pytest.mark.parametrize(
    ("flags", "verdict", "commit", "expected"),
    [
        ([], "works", "abc", True),
        ([], "failed", "abc", True),
        ([], "works", "older", False),
        ([], "not run", "abc", False),
        (["--missing"], "works", "older", True),
        (["--missing"], "not run", "older", False),
        (["--again"], "works", "abc", False),
    ],
)
def test_what_is_done_is_skipped(tmp_path: Path, flags: list[str], verdict: str, commit: str, expected: bool) -> None:
    file = tmp_path / "m.jsonl"
    results.append(file, replace(ONE, verdict=verdict, commit=commit))  # type: ignore[arg-type]
    options = arguments(["--file", str(file), "run", *flags])
    assert done(options, ONE.key, "abc") is expected
    assert done(options, "part/b/n1", "abc") is False


def test_the_command_line_runs_everything_when_it_is_given_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (arguments([]).command, arguments([]).parts) == ("run", [])
    assert arguments(["run", "kill", "--only", "nsenter"]).only == ["nsenter"]
    with pytest.raises(SystemExit):
        arguments(["run", "kil"])
    assert "there is no part 'kil'" in capsys.readouterr().err
