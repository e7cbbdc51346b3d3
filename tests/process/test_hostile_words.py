"""Generated hostile arguments, paths and environments in dash, bash and busybox ash, on this machine.

What arrives is what was meant, byte for byte; nothing that stands in a word runs; no file appears.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO

import pytest

from k8s_extcap.methods import guard, lookup, probe, tcpdump
from k8s_extcap.model.ids import Name
from k8s_extcap.model.plan import Upload
from k8s_extcap.model.request import CaptureRequest
from testbed import group
from testbed.wait import until
from tests.fuzz import nasty

pytestmark = pytest.mark.slow

SHELLS = {"dash": ["dash"], "bash": ["bash"], "bash as sh": ["bash", "--posix"], "ash": ["busybox", "ash"]}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
FULL = 65_536 - 4096  # bytes in a pipe that takes no more (pipe(7)): its last page may be begun by something short
# A program that gives its arguments as the kernel has them: no shell has looked at them.
SHOW = ("sh", "-c", "cat /proc/$$/cmdline; :", "show")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    command = SHELLS[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed (Debian: dash bash busybox)")
    return command


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, which stays empty."""
    folder = tmp_path / "room"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def run(
    shell: list[str], argv: list[bytes], stdin: bytes = b"", env: dict[bytes, bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`argv` without its first word, which is the shell's name. The input stays open, as an exec's does: its end would
    end the guard.
    """
    words = [word.encode() for word in shell] + argv[1:]
    theirs, ours = os.pipe()
    try:
        os.write(ours, stdin)  # less than a pipe holds
        full = {b"PATH": PATH.encode(), **(env or {})}
        return subprocess.run(words, stdin=theirs, capture_output=True, timeout=60, check=False, env=full)
    finally:
        os.close(theirs)
        os.close(ours)


def raw(argv: tuple[str, ...]) -> list[bytes]:
    return [os.fsencode(word) for word in argv]


@pytest.mark.parametrize("seed", ["one", "two"])
def test_arguments_arrive_byte_for_byte(shell: list[str], room: Path, seed: str) -> None:
    words = nasty.words(f"{seed} {shell}", 300, "canary")
    done = run(shell, [*raw(guard.wrap(SHOW)), *words])
    assert done.stdout.split(b"\0")[4:-1] == words
    assert list(room.iterdir()) == []


def test_a_line_through_stdin_arrives_byte_for_byte(shell: list[str], room: Path) -> None:
    for word in nasty.words(f"line {shell}", 25, "canary", raw=False):
        line = word.replace(b"\n", b" ")
        done = run(shell, raw(guard.wrap(SHOW, tail="x")), line + b"\n")
        assert done.stdout.split(b"\0")[4:-1] == [line]
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("seed", range(3))
def test_no_environment_makes_anything_else_run(shell: list[str], room: Path, seed: int) -> None:
    words = nasty.words(f"env {seed} {shell}", 20, "canary")
    env = nasty.variables(f"{seed} {shell}", "canary")
    done = run(shell, [*raw(guard.wrap(SHOW)), *words], env=env)
    assert done.stdout.split(b"\0")[4:-1] == words
    looked = run(shell, raw(probe.command(str(room))), probe.script(), env=env)
    facts = probe.parse("app", looked.stdout.decode(errors="replace"))
    assert facts.uid == os.geteuid()
    assert [place.path for place in facts.places] == [str(room)]
    assert list(room.iterdir()) == []


def test_files_of_any_name_are_written_run_and_removed(shell: list[str], room: Path, tmp_path: Path) -> None:
    program = b'#!/bin/sh\necho "it runs"\n'
    digest = hashlib.sha256(program).hexdigest()
    names = {word.replace(b"/", b"_")[:200] for word in nasty.words(f"names {shell}", 40, "canary")}
    for name in sorted(names - {b"", b".", b".."}):
        file = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        upload = Upload("program", file, len(program), digest)
        done = run(shell, raw(guard.wrap((file,), (upload,))), program)
        assert done.stdout == b"it runs\n", (name, done.stderr)
        assert not os.path.lexists(file)
    assert list(room.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["room"]


@pytest.mark.parametrize("what", ["a file", "a link", "a dangling link", "a folder", "a pipe"])
def test_a_file_that_is_there_is_neither_written_nor_removed(
    shell: list[str], room: Path, tmp_path: Path, what: str
) -> None:
    victim, file = tmp_path / "victim", tmp_path / "upload"
    victim.write_text("mine")
    match what:
        case "a file":
            file.write_text("theirs")
        case "a link":
            file.symlink_to(victim)
        case "a dangling link":
            file.symlink_to(tmp_path / "nowhere")
        case "a folder":
            file.mkdir()
        case _:
            os.mkfifo(file)
    before = file.lstat()
    upload = Upload("program", str(file), 4, hashlib.sha256(b"ours").hexdigest())
    done = run(shell, raw(guard.wrap(SHOW, (upload,))), b"ours")
    assert (done.returncode, done.stdout) == (96, b"")
    assert done.stderr.decode().splitlines() == [f"{guard.MARK}need {file}", f"{guard.MARK}bad {file}"]
    assert (file.lstat().st_ino, file.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert victim.read_text() == "mine"
    assert victim.stat().st_mode & 0o111 == 0
    assert not (tmp_path / "nowhere").exists()


def waiting(pipe: IO[bytes] | None) -> int:
    """Bytes in it that nobody has read."""
    assert pipe is not None
    count = fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(count, sys.byteorder)


@pytest.mark.parametrize("words", ["exec yes >&2", "exec yes", "yes >&2 & exec yes >&2"])
def test_a_guard_whose_words_nobody_reads_ends_all_the_same(shell: list[str], room: Path, words: str) -> None:
    """Its client is gone, and the pipes are full: on containerd 1.6 nobody empties them any more."""
    argv = [*shell, *guard.wrap(("sh", "-c", words))[1:]]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        try:
            assert running.stdin is not None
            assert until(lambda: max(waiting(running.stdout), waiting(running.stderr)) >= FULL, 30)
            running.stdin.close()
            assert running.wait(30) == 128 + signal.SIGKILL, "what does not heed its interrupt is killed"
        finally:
            group.kill(running)


def test_tools_come_from_the_systems_own_folders(shell: list[str], room: Path, tmp_path: Path) -> None:
    traps = tmp_path / "traps"
    traps.mkdir()
    for tool in ("dd", "sha256sum", "chmod", "rm", "sleep", "ls", "df", "uname"):
        trap = traps / tool
        trap.write_text(f"#!/bin/sh\necho {tool} >>{traps}/sprung\n")
        trap.chmod(0o755)
    env = {b"PATH": os.fsencode(f"{traps}:{PATH}")}
    program = b"#!/bin/sh\necho it runs\n"
    upload = Upload("p", str(tmp_path / "p"), len(program), hashlib.sha256(program).hexdigest())
    assert run(shell, raw(guard.wrap((upload.path,), (upload,))), program, env).stdout == b"it runs\n"
    run(shell, raw(probe.command(str(room))), probe.script(), env)
    run(shell, raw(guard.removal([str(tmp_path / "none")])), env=env)
    assert not (traps / "sprung").exists()


@pytest.mark.parametrize("mode", ["ours", "print", "plain"])
def test_a_filter_is_one_argument_of_tcpdump_however_it_is_run(shell: list[str], room: Path, mode: str) -> None:
    program = room.parent / "tcpdump"
    program.write_text("#!/bin/sh\ncat /proc/$$/cmdline >>../noted; :\n")
    program.chmod(0o755)
    asked = []
    for word in nasty.words(f"filter {mode} {shell}", 15, "canary", raw=False):
        text = " ".join(word.decode().split()) or "tcp"
        request = CaptureRequest(Name("pod"), filter=text)
        line = tcpdump.line(request, str(program), mode=mode, nic="-w", buffer_kib=64, drop_to_root=False)
        run(shell, raw(guard.wrap(line.argv, tail=line.tail)), os.fsencode(f"{line.tail}\n"))
        asked.append(text)
    noted = (room.parent / "noted").read_bytes().split(b"\0")
    assert [
        noted[at + 1].decode() for at, word in enumerate(noted) if word == b"--" and noted[at - 1] != b"--"
    ] == asked
    assert list(room.iterdir()) == []


def test_the_look_takes_paths_as_they_are(shell: list[str], room: Path) -> None:
    for word in nasty.words(f"look {shell}", 12, "canary", most=2000):
        folder, program = os.fsdecode(word), os.fsdecode(word[::-1])
        done = run(shell, raw(probe.command(folder, program)), probe.script())
        probe.parse("app", done.stdout.decode(errors="replace"))
    assert list(room.iterdir()) == []


def test_the_helpers_words_are_words(shell: list[str], room: Path, tmp_path: Path) -> None:
    """What a pod is called, and what its interface is called, on the node."""
    for word in nasty.words(f"node {shell}", 12, "canary", most=2000):
        nsx = tmp_path / "nsx"
        nsx.write_text("#!/bin/sh\nexit 1\n")
        nsx.chmod(0o755)
        (tmp_path / "tcpdump").touch()
        words = [b"x" + word, word, word, word, os.fsencode(nsx), os.fsencode(tmp_path / "tcpdump"), word]
        argv = [*raw(("sh", "-c", lookup.text(), "enter")), *words]
        env = {b"K8S_EXTCAP_PROC": os.fsencode(tmp_path / "proc")}
        assert run(shell, argv, env=env).returncode == lookup.NOT_FOUND
    assert list(room.iterdir()) == []
