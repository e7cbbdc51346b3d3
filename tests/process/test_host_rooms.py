"""The rooms of the Wiresharks: whose processes they are, what they see, and that an unfinished one leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.wireshark import release, room
from testbed.wireshark.tshark import Tshark, end, interrupt


def test_each_is_the_version_that_it_says(tshark: Tshark) -> None:
    assert release.minor(tshark.run("--version").stdout) == tshark.version


def test_programs_run_as_an_ordinary_user_with_a_home_of_their_own(tshark: Tshark) -> None:
    home = tshark.desk.home
    seen = tshark.other("sh", "-c", 'id -u; echo "$HOME"; pwd; touch "$HOME/mine" "$TMPDIR/mine" && echo written')
    assert seen.stdout.split() == [str(os.getuid() or room.USER), str(home), str(home), "written"]
    assert (home / "mine").exists()


def test_the_checkout_and_its_dependencies_are_there_and_cannot_be_changed(tshark: Tshark) -> None:
    imports = "import kubernetes, msgspec, pcapng, picows, rich, typer; print('all')"
    assert tshark.other(str(tshark.desk.python), "-I", "-c", imports).stdout == "all\n"
    file = tshark.desk.checkout / "pyproject.toml"
    if os.getuid() == 0:
        assert tshark.other("sh", "-c", f'cat "{file}" >/dev/null && : >> "{file}"').returncode != 0


def test_nothing_is_mounted_on_the_machine(tshark: Tshark) -> None:
    process = tshark.start("-i", "never-there", "-a", "duration:1")
    try:
        assert str(tshark.desk.case) not in Path("/proc/mounts").read_text()
        assert str(release.folder()) not in Path("/proc/mounts").read_text()
    finally:
        end(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGPIPE])
def test_the_process_that_we_hold_is_the_program_itself(tshark: Tshark, number: signal.Signals) -> None:
    process = subprocess.Popen(
        tshark.desk.command(["sleep", "60"]), env=tshark.desk.environment(), text=True, start_new_session=True
    )
    try:
        command = Path(f"/proc/{process.pid}/cmdline")
        until = time.monotonic() + 60
        while command.read_bytes() != b"sleep\x0060\x00":
            assert time.monotonic() < until
            time.sleep(0.01)
        if number == signal.SIGINT:
            interrupt(process)
        else:
            process.send_signal(number)
        assert process.wait(20) == -number
    finally:
        end(process)


@pytest.mark.skipif(room.missing() is not None, reason=f"No chroot can be made: {room.missing()}.")
def test_a_killed_make_leaves_no_process_and_no_mount_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    environment = {**os.environ, "K8S_EXTCAP_TESTBED": str(tmp_path), "K8S_EXTCAP_DEBIAN_MIRROR": f"file://{tmp_path}"}
    # A debootstrap of our own: it mounts as the real one does, says so, and waits to be killed.
    fake = tmp_path / "bin/debootstrap"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\nmkdir -p "$3/proc" && mount -t proc proc "$3/proc" && : > "$3/mounted"\nsleep 1000 & wait\n'
    )
    fake.chmod(0o755)
    environment["PATH"] = f"{fake.parent}:{environment['PATH']}"
    command = [sys.executable, "-m", "testbed.wireshark", "make", "--chroot", "4.4"]
    growing = tmp_path / "wireshark/4.4.new"
    for _ in range(2):  # the second clears the folder of the first away
        make = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
        until = time.monotonic() + 60
        while not (growing / "mounted").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        make.kill()
        make.wait()
        until = time.monotonic() + 30
        while marked(str(tmp_path)):
            assert time.monotonic() < until, marked(str(tmp_path))
            time.sleep(0.05)
        assert str(growing) not in Path("/proc/mounts").read_text()
        (growing / "mounted").unlink()
    assert not (tmp_path / "wireshark/4.4").exists()


def marked(text: str) -> list[str]:
    """Command lines of processes whose environment holds the text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
