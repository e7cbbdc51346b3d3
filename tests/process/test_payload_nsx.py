"""nsx enters the namespace that was asked for and no other, and says why not."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from payload.build import built
from testbed.truth.link import Link

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
ADDRESSES = (shutil.which("ip") or "/sbin/ip", "-o", "address")
WRONG, CANNOT_ENTER, CANNOT_RUN, USAGE = 123, 125, 126, 2


@pytest.fixture
def nsx(payload: None) -> str:
    return str(built(ARCH) / "nsx")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def resident(truth_link: Link) -> Iterator[str]:
    """The PID of a process at the near end of a link."""
    with subprocess.Popen(
        [*truth_link.inside_near(), "sh", "-c", "echo up; exec sleep 60"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield str(process.pid)
        process.kill()


def test_by_pid_the_program_runs_inside(nsx: str, truth_link: Link, resident: str) -> None:
    done = run(nsx, "-a", truth_link.near4, resident, *ADDRESSES)
    assert (done.returncode, done.stderr) == (0, "")
    assert truth_link.near4 in done.stdout
    assert truth_link.far4 not in done.stdout


def test_by_path_too(nsx: str, truth_link: Link) -> None:
    done = run(nsx, "-a", truth_link.far6, f"/run/netns/{truth_link.far}", *ADDRESSES)
    assert done.returncode == 0
    assert truth_link.far6 in done.stdout


def test_one_of_several_addresses_is_enough(nsx: str, truth_link: Link) -> None:
    path = f"/run/netns/{truth_link.near}"
    assert run(nsx, "-a", "192.0.2.77", "-a", truth_link.near6, path, "/bin/true").returncode == 0


@pytest.mark.parametrize("address", ["192.0.2.77", "198.51.100.2", "198.51.100.10", "fd00:6b38:73::2", "::"])
def test_a_namespace_without_the_address_is_refused(nsx: str, truth_link: Link, address: str) -> None:
    done = run(nsx, "-a", address, f"/run/netns/{truth_link.near}", "/bin/echo", "ran")
    assert (done.returncode, done.stdout) == (WRONG, "")
    assert done.stderr == f"nsx: the namespace does not have the address {address}\n"


def test_a_process_of_another_container_is_refused(nsx: str, truth_link: Link, resident: str) -> None:
    done = run(nsx, "-c", "0123456789abcdef", "-a", truth_link.near4, resident, "/bin/echo", "ran")
    assert (done.returncode, done.stdout) == (WRONG, "")
    assert done.stderr == f"nsx: process {resident} does not belong to 0123456789abcdef\n"


def test_a_process_is_known_by_what_its_files_hold(nsx: str, truth_link: Link, resident: str) -> None:
    """Any word of its mount table, wherever in the file it stands."""
    lines = Path(f"/proc/{resident}/mountinfo").read_text().splitlines()
    for line in (lines[0], lines[len(lines) // 2], lines[-1]):
        assert run(nsx, "-c", line, "-a", truth_link.near4, resident, "/bin/true").returncode == 0
        assert run(nsx, "-c", line + "x", "-a", truth_link.near4, resident, "/bin/true").returncode == WRONG


@pytest.mark.skipif(os.geteuid() != 0, reason="entering even one's own network namespace needs root")
def test_the_own_namespace_is_not_a_pods_unless_an_address_proves_it(nsx: str) -> None:
    own = str(os.getpid())
    assert run(nsx, own, "/bin/echo", "ran").returncode == WRONG
    assert run(nsx, "-n", "-a", "127.0.0.1", own, "/bin/echo", "ran").stdout == "ran\n"


def test_a_pid_that_is_gone(nsx: str) -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    done = run(nsx, "-a", "127.0.0.1", str(process.pid), "/bin/true")
    assert done.returncode == CANNOT_ENTER
    assert done.stderr == f"nsx: there is no process {process.pid} here: No such file or directory\n"


def test_a_file_that_is_no_namespace(nsx: str) -> None:
    done = run(nsx, "-a", "127.0.0.1", "/etc/passwd", "/bin/true")
    assert (done.returncode, done.stderr) == (
        CANNOT_ENTER,
        "nsx: cannot enter the network namespace of /etc/passwd: Invalid argument\n",
    )


def test_a_program_that_is_not_there(nsx: str, truth_link: Link) -> None:
    done = run(nsx, "-a", truth_link.near4, f"/run/netns/{truth_link.near}", "/no/such")
    assert (done.returncode, done.stderr) == (CANNOT_RUN, "nsx: cannot run /no/such: No such file or directory\n")


def test_the_programs_own_options_and_status_are_untouched(nsx: str, truth_link: Link) -> None:
    path = f"/run/netns/{truth_link.near}"
    done = run(nsx, "-a", truth_link.near4, path, "/bin/sh", "-c", 'echo "$0:$1"; exit 7', "-n", "-a x")
    assert (done.returncode, done.stdout) == (7, "-n:-a x\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1"],
        ["-x", "1", "/bin/true"],
        ["-a", "nonsense", "1", "/bin/true"],
        ["-c", "", "1", "/bin/true"],
        ["relative", "/bin/true"],
        ["12345678901", "/bin/true"],
        ["-1", "/bin/true"],
        ["-c", "text", "/run/netns/x", "/bin/true"],
        [*["-a", "192.0.2.1"] * 17, "1", "/bin/true"],
    ],
)
def test_nonsense_is_usage(nsx: str, arguments: list[str]) -> None:
    done = run(nsx, *arguments)
    assert done.returncode == USAGE
    assert done.stderr
    assert done.stdout == ""
