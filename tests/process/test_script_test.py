"""The account that `script/test` gives: phases, outcomes, exit code, last line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from script import builds, checks, ledger

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import pathlib, pytest, time

def test_good(): pass

def test_bad(): assert False

@pytest.fixture
def broken():
    yield
    raise OSError("the teardown fails")

def test_broken_afterwards(broken): pass

def test_absent(): pytest.skip("no such thing here")

@pytest.mark.xfail(strict=True)
def test_expected(): assert False

@pytest.mark.cluster
def test_real(): pass

@pytest.mark.slow
def test_long(): assert False

def test_once_built():
    built = pathlib.Path(__file__).with_name("built")
    if not built.exists():
        pytest.skip("still being built")

@pytest.fixture
def waited():
    time.sleep(0.3)

def test_waiting(waited): pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A project of its own with nine tests; the book of outcomes is `book` beside it."""
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  cluster:\n  slow:\n")
    return tmp_path


def run(suite: Path, phase: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pytest", "-p", "script.ledger", "--rootdir", str(suite), str(suite)]
    words += ["-c", str(suite / "pytest.ini"), f"--ledger={suite / 'book'}", f"--phase={phase}", *arguments]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def words(suite: Path) -> dict[str, str]:
    return {test.partition("::")[2]: outcome.word for test, outcome in ledger.read(suite / "book").items()}


def test_each_outcome_of_the_fast_phase_is_written_down(suite: Path) -> None:
    assert run(suite, "fast").returncode == checks.PYTEST_FAILED
    assert words(suite) == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_broken_afterwards": "failed",
        "test_absent": "skipped",
        "test_expected": "passed",
        "test_real": "left-out",
        "test_long": "left-out",
        "test_once_built": "skipped",
        "test_waiting": "passed",
    }
    reasons = {outcome.reason for outcome in ledger.read(suite / "book").values()}
    assert {"no such thing here", "marked cluster", "marked slow", "still being built"} <= reasons
    seconds = {test.partition("::")[2]: outcome.seconds for test, outcome in ledger.read(suite / "book").items()}
    assert seconds["test_waiting"] >= 0.3  # its set-up counts, too
    assert seconds["test_long"] == 0, "it was left out"


def test_the_rest_takes_what_was_left_out_or_skipped_and_nothing_twice(suite: Path) -> None:
    run(suite, "fast")
    (suite / "built").touch()
    second = run(suite, "rest")
    assert "5 deselected" in second.stdout, second.stdout
    after = words(suite)
    assert (after["test_real"], after["test_long"], after["test_once_built"]) == ("passed", "failed", "passed")
    assert after["test_absent"] == "skipped"
    assert after["test_bad"] == "failed", "an earlier failure is not forgotten"


def test_two_runs_share_the_files_out(suite: Path) -> None:
    for name in ("one", "two", "three", "four"):
        (suite / f"test_{name}.py").write_text("def test_it(): pass")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda share: run(suite, "fast", share), ("--share=1/2", "--share=2/2")))
    lines = [json.loads(line)[0] for line in (suite / "book").read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 13, "each test once"
    ran = [sum(map(int, re.findall(r"(\d+) (?:passed|failed|skipped|xfailed|error)", done.stdout))) for done in both]
    assert sum(ran) == 13 - 2 + 1, "two are left out, one fails and errs"


def test_a_run_takes_the_files_that_nobody_has_taken(suite: Path) -> None:
    (suite / "test_other.py").write_text("def test_it(): pass")
    (suite / "book.claims").mkdir()
    (suite / "book.claims/test_it.taken").touch()
    run(suite, "fast", "--share=2/2")
    assert set(ledger.read(suite / "book")) == {"test_other.py::test_it"}


def test_of_the_rest_one_run_has_the_cluster(suite: Path) -> None:
    run(suite, "fast")
    before = words(suite)
    run(suite, "rest", "--share=2/2")
    without = words(suite)
    assert (without["test_real"], without["test_long"]) == ("left-out", "failed")
    run(suite, "rest", "--share=1/2")
    assert words(suite) == without | {"test_real": "passed"}
    assert {test for test in before if words(suite)[test] != before[test]} == {"test_real", "test_long"}


def test_a_file_that_cannot_be_imported_is_a_failure(suite: Path) -> None:
    (suite / "test_syntax.py").write_text("def test_(:")
    run(suite, "fast")
    assert ledger.read(suite / "book")["test_syntax.py"].word == "failed"


def test_the_last_line_counts_and_the_exit_code_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        ledger.Outcome("a", "passed", "", 12.3),
        ledger.Outcome("b", "skipped", "no tool"),
        ledger.Outcome("c", "passed"),
    ]
    assert checks.report(checks.Account(outcomes, [], 1.2)) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "2 passed, 0 failed, 1 skipped in 1 s"
    assert "no tool" in said
    assert [line.split() for line in said.splitlines() if line.endswith("  a")] == [["12.3", "s", "a"]]

    assert checks.report(checks.Account(outcomes, ["types: mypy"], 1.2)) == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "2 passed, 1 failed, 1 skipped in 1 s"
    assert "types: mypy" in said


def test_no_test_at_all_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.report(checks.Account([], [], 0)) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 passed, 1 failed")


def test_a_failed_build_is_a_sentence_with_its_log(tmp_path: Path) -> None:
    there = builds.Build("a good one", ("this",))
    absent = builds.Build("no such module", ("testbed.this_does_not_exist",))
    good, bad = builds.Builders([there, absent], tmp_path).finish()
    assert (good.name, good.problem) == ("a good one", "")
    assert "No module named testbed.this_does_not_exist" in bad.problem
    assert str(tmp_path / "no-such-module.log") in bad.problem


def test_one_build_is_waited_for_and_the_others_go_on(tmp_path: Path) -> None:
    first, second = builds.Build("first", ("this",)), builds.Build("second", ("timeit", "-n1", "-r1", "input()"))
    builders = builds.Builders([first, second], tmp_path)
    builders.wait_for("first")
    assert [built.name for built in builders.results][:1] == ["first"]
    builders.wait_for("none of them")
    assert [built.name for built in builders.finish()] == ["first", "second"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_cancelling_ends_the_build_and_all_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    lasting = f"""
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "1000"])
pathlib.Path({str(tmp_path / "new")!r}).write_text(str(child.pid))
pathlib.Path({str(tmp_path / "new")!r}).rename({str(pid)!r})
time.sleep(1000)
"""
    builders = builds.Builders([builds.Build("lasting", ("timeit", "-n1", "-r1", lasting))], tmp_path)
    while not pid.exists():
        assert builders.thread.is_alive(), (tmp_path / "lasting.log").read_text()
        time.sleep(0.01)
    builders.cancel()
    assert not builders.thread.is_alive()
    deadline = time.monotonic() + 20  # an orphan's end is its new parent's business
    while alive(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("to_all", [True, False], ids=["ctrl-c", "sigterm"])
def test_an_interruption_gives_the_tests_the_time_to_take_down(tmp_path: Path, to_all: bool) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import pathlib, time\n"
        "try:\n"
        f"    pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "    time.sleep(1000)\n"
        "finally:\n"
        "    time.sleep(1)\n"  # beyond what subprocess.run would wait
        f"    pathlib.Path({str(tmp_path / 'down')!r}).touch()\n"
    )
    code = (
        "import sys; from script import checks; checks.heed_interruptions()\n"
        "try: checks.attended([[sys.executable, sys.argv[1]]], {})\n"
        "except KeyboardInterrupt: sys.exit(9)"
    )
    command = [sys.executable, "-c", code, str(slow)]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a background job of a shell without job control has it
    try:
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            while not (tmp_path / "up").exists():
                assert process.poll() is None
                time.sleep(0.01)
            if to_all:
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.terminate()
            assert process.wait(60) == 9
        finally:
            process.kill()
    assert (tmp_path / "down").exists()


def test_what_failed_gets_a_second_try_that_is_told(suite: Path) -> None:
    (suite / "test_tired.py").write_text(
        "import pathlib\n"
        "def test_tired():\n"
        "    mark = pathlib.Path(__file__).with_name('mark')\n"
        "    there = mark.exists()\n"
        "    mark.touch()\n"
        "    assert there\n"
    )
    run(suite, "fast")
    assert words(suite)["test_tired"] == "failed"
    run(suite, "again")
    told = {outcome.test.rpartition("::")[2]: outcome for outcome in ledger.read(suite / "book").values()}
    assert (told["test_tired"].word, told["test_tired"].reason) == ("passed", ledger.AGAIN)
    assert told["test_bad"].word == "failed"
    assert "test_good" not in told or told["test_good"].reason == ""
