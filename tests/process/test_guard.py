"""The guard in the shells that containers have: every way a capture ends, and what is left behind (nothing)."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from k8s_extcap.methods import guard
from k8s_extcap.model.plan import Upload
from testbed import group

pytestmark = pytest.mark.slow

SHELLS = [["dash"], ["bash"], ["busybox", "sh"]]
# Like tcpdump it installs its INT handler although the shell starts background jobs with INT ignored; sh could not.
PROGRAM = f"""#!{sys.executable} -ISE
import signal, sys
def end(*_): sys.stderr.write("stats\\n"); sys.stderr.flush(); sys.exit(0)
signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGUSR1, lambda *_: (sys.stderr.write("live\\n"), sys.stderr.flush()))
print("packets", flush=True)
while True: signal.pause()
""".encode()


STARTED: list[Far] = []


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().close()


class Far:
    """A guard started as the container runtime would, with what was seen of it."""

    def __init__(self, shell: list[str], argv: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [*shell, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        STARTED.append(self)

    def close(self) -> None:
        group.kill(self.process)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):  # a closed stdin flushes what nobody reads any more
                assert stream
                stream.close()

    def say(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stderr
        return self.process.stderr.readline().decode().strip()

    def end(self) -> tuple[int, str]:
        assert self.process.stderr
        said = self.process.stderr.read().decode()
        return self.process.wait(20), said

    def session(self) -> list[int]:
        """Processes of its session that are still there, by /proc: shares nothing with the guard."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if fields[3] == str(self.process.pid) and fields[0] != "Z":
                    found.append(int(entry.name))
        return found


@pytest.fixture(params=SHELLS, ids=lambda s: s[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    command: list[str] = request.param
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed (Debian: dash bash busybox)")
    return command


@pytest.fixture
def started(shell: list[str], tmp_path: Path) -> tuple[Far, Path]:
    """A capture that runs: uploaded, ready, its first output there."""
    file = tmp_path / "with blank and 'quote'" / "program"
    file.parent.mkdir()
    far = Far(shell, argv(file, PROGRAM, ticks=3))
    assert far.line() == f"{guard.MARK}need {file}"
    far.say(PROGRAM)
    assert far.line() == f"{guard.MARK}ready"
    assert far.process.stdout
    assert far.process.stdout.readline() == b"packets\n"
    return far, file


def argv(file: Path, content: bytes, ticks: int = guard.TICKS) -> tuple[str, ...]:
    digest = hashlib.sha256(content).hexdigest()
    return guard.wrap((str(file),), (Upload("program", str(file), len(content), digest),), ticks=ticks)


def gone(far: Far, seconds: float = 6.0) -> bool:
    deadline = time.monotonic() + seconds
    while far.session():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_stop_ends_it_in_good_order(started: tuple[Far, Path]) -> None:
    far, file = started
    far.say(guard.STOP)
    code, said = far.end()
    assert code == 0
    assert said.splitlines() == ["stats", f"{guard.MARK}rc=0"]
    assert gone(far)
    assert not file.exists()


def test_signs_of_life_keep_it_and_the_file_goes_meanwhile(started: tuple[Far, Path]) -> None:
    far, file = started
    for _ in range(200):
        far.say(guard.BEAT)  # a burst: as many as a busy client would ever queue
    for _ in range(5):
        time.sleep(1)
        far.say(guard.BEAT)
    assert far.process.poll() is None
    assert not file.exists()
    far.say(guard.STAT)
    assert far.line() == "live"


def test_silence_ends_it(started: tuple[Far, Path]) -> None:
    far, file = started
    code, said = far.end()
    assert (code, "stats" in said) == (0, True)
    assert gone(far)
    assert not file.exists()


def test_end_of_file_ends_it(started: tuple[Far, Path]) -> None:
    far, file = started
    assert far.process.stdin
    far.process.stdin.close()
    assert far.end()[0] == 0
    assert gone(far)
    assert not file.exists()


def test_terminated_it_ends_the_capture_first(started: tuple[Far, Path]) -> None:
    far, file = started
    far.process.terminate()
    code, said = far.end()
    assert "stats" in said
    assert code == 0
    assert gone(far)
    assert not file.exists()


def test_a_killed_guard_leaves_nothing(started: tuple[Far, Path]) -> None:
    """Only the shell is killed, as a runtime does: the reader or the ticker notices."""
    far, file = started
    far.process.kill()
    far.process.wait()  # as the runtime's shim does: a zombie can still be signalled
    assert gone(far)
    assert not file.exists()


@pytest.mark.parametrize("wrong", [PROGRAM[:-1] + b"x", b"\0" * len(PROGRAM)])
def test_a_damaged_upload_never_runs(shell: list[str], tmp_path: Path, wrong: bytes) -> None:
    file = tmp_path / "p"
    far = Far(shell, argv(file, PROGRAM))
    far.line()
    far.say(wrong)
    code, said = far.end()
    assert code == 96
    assert said.strip() == f"{guard.MARK}bad {file}"
    assert not file.exists()
    assert gone(far)


def test_a_client_gone_in_the_middle_of_the_upload_leaves_no_file(shell: list[str], tmp_path: Path) -> None:
    file = tmp_path / "p"
    far = Far(shell, argv(file, PROGRAM))
    far.line()
    far.say(PROGRAM[:10])
    assert far.process.stdin
    far.process.stdin.close()
    assert far.end()[0] == 96
    assert not file.exists()


@pytest.mark.parametrize(
    "text", ["tcp port 80", "a'b\"c $(touch pwned) `touch pwned` ; touch pwned #", "-w /etc/passwd", "\\n\\0 %s *"]
)
def test_a_filter_through_stdin_is_one_argument(shell: list[str], tmp_path: Path, text: str) -> None:
    far = Far(shell, guard.wrap(("sh", "-c", 'printf "%s|" "$@"; sleep 0.2', "x", "first"), tail=text))
    assert far.line() == f"{guard.MARK}need -"
    far.say(text.encode() + b"\n")
    assert far.process.stdout
    assert far.process.stdout.read() == f"first|{text}|".encode()
    far.end()
    assert not list(Path.cwd().glob("pwned"))


def test_arguments_are_never_shell_text(shell: list[str], tmp_path: Path) -> None:
    hostile = "'; touch pwned; echo $(id) `id` \" \\"
    far = Far(shell, guard.wrap(("printf", "%s", hostile)))
    assert far.process.stdout
    assert far.process.stdout.read() == hostile.encode()
    far.end()
    assert not list(Path.cwd().glob("pwned"))


def test_a_command_that_is_not_there_says_127(shell: list[str]) -> None:
    far = Far(shell, guard.wrap(("no-such-program",)))
    code, said = far.end()
    assert code == 127
    assert f"{guard.MARK}rc=127" in said


def test_the_request_line_has_room_for_the_capture() -> None:
    """4,096 bytes are passed everywhere; path, pod and container names and a filter need their part of it. Two files
    go into a helper pod only, whose guard is a variable of its container.
    """
    words = guard.wrap(("tcpdump",), (Upload("t", "/tmp/k8s-extcap-0123456789-tcpdump", 1, "0" * 64),), tail="x")
    assert len(urlencode([("command", word) for word in words])) < 3450


def test_a_client_that_falls_silent_in_an_upload_is_not_waited_for(shell: list[str], tmp_path: Path) -> None:
    """It holds the stream open and says nothing: stopped, or behind a network that is gone."""
    file = tmp_path / "program"
    far = Far(shell, argv(file, PROGRAM, ticks=1))
    assert far.process.stdin
    far.process.stdin.write(PROGRAM[:10])
    far.process.stdin.flush()
    assert far.process.wait(30) == 129
    assert gone(far)
    assert not list(tmp_path.iterdir())


def test_two_files_are_the_most() -> None:
    with pytest.raises(ValueError, match="two files"):
        guard.wrap(("x",), (Upload("t", "/t", 1, ""),) * 3)
