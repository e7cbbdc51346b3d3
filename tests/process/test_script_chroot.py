"""The two commands' bootstrap on fresh machines: minimal systems in chroots, as the people who come along."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

import pytest

from testbed.chroot import base

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _possible() -> None:
    if reason := base.why_not():
        pytest.skip(f"no fresh machine: {reason}")


def command(suite: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "testbed.chroot", suite, *words]


def fresh(suite: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(suite, *words), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def leftovers() -> list[str]:
    """The root that we see may be such a system itself."""
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(base.folder()) in line]
    mounts = [line for line in mounts if line.split()[1] != "/"]
    return mounts + [lock.name for lock in (base.folder() / "runs").glob("*.lock") if not held(lock)]


def held(lock: Path) -> bool:
    """Whether somebody else's run is still going on."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Proxy(ThreadingTCPServer):
    """An HTTP proxy, as companies have: absolute requests and CONNECT. Keeps the names of the hosts asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        super().__init__(("127.0.0.1", 0), Relay)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Relay(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := self.request.recv(65536)):
                return
            head += more
        verb, target, *_ = head.split(b" ", 2)
        tunnel = verb == b"CONNECT"
        place = urlsplit(("//" if tunnel else "") + target.decode())
        assert place.hostname
        self.server.hosts.add(place.hostname)
        self.relay(place.hostname, place.port or 80, b"" if tunnel else self.closing(head))

    @staticmethod
    def closing(head: bytes) -> bytes:
        """One request for each connection, so that every host is seen."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])

    def relay(self, host: str, port: int, first: bytes) -> None:
        with socket.create_connection((host, port), timeout=60) as far:
            if first:
                far.sendall(first)
            else:
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self.pour, args=(far, self.request), daemon=True)
            back.start()
            self.pour(self.request, far)
            back.join()

    @staticmethod
    def pour(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_a_user_with_sudo_behind_a_proxy_gets_everything_through_it(proxy: Proxy) -> None:
    variables = [f"--env={name}={proxy.url}" for name in ("http_proxy", "https_proxy")]
    told = (
        "script/bootstrap demo && script/bootstrap demo 2>&1 && tshark --version && ls -l /usr/bin/dumpcap && sudo -k"
    )
    done = fresh("bookworm", "--user", *variables, "--", "sh", "-c", told)
    assert done.returncode == 0, done.stderr
    first, second, version, *rest = done.stdout.splitlines()
    assert first == second, "the second run has nothing to say but the path"
    assert first.startswith("/home/newcomer/.cache/k8s-extcap/venv/py3.11-")
    assert version.startswith("TShark (Wireshark) 4.0.")
    assert rest[-1].startswith("-rwxr-xr-x 1 root root"), "dumpcap must be executable for everybody"
    assert any("debian" in host for host in proxy.hosts), proxy.hosts
    assert len(proxy.hosts) > 1, f"pip did not ask the proxy, which saw only {proxy.hosts}"


def test_a_proxy_that_does_not_answer_is_named() -> None:
    done = fresh("bookworm", "--env=http_proxy=http://127.0.0.1:9", "--", "script/bootstrap")
    assert done.returncode == 1
    assert "http_proxy" in done.stderr
    assert "apt-get could not install: python3-venv" in done.stderr


def test_a_user_without_rights_is_told_what_to_install() -> None:
    done = fresh("bookworm", "--no-rights", "--", "script/demo")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "apt-get install -y --no-install-recommends python3-venv tshark iproute2" in done.stderr


@pytest.mark.parametrize(
    ("suite", "who"), [("bookworm", "--user"), ("trixie", "--root"), ("noble", "--user")], ids=["12", "13", "24.04"]
)
def test_the_demo_does_its_whole_job(suite: str, who: str) -> None:
    done = fresh(suite, *([who] if who == "--user" else []), "--", "script/demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "   (20 packets)" in done.stdout
    assert "LEFT" not in done.stdout


def test_a_closed_dumpcap_is_explained_with_the_command_that_mends_it() -> None:
    close = "sudo chgrp games /usr/bin/dumpcap; sudo chmod 750 /usr/bin/dumpcap"
    told = f"script/bootstrap demo >/dev/null; {close}; script/demo && exit 9; sudo usermod -aG games newcomer"
    done = fresh("bookworm", "--user", "--", "sh", "-c", f"{told}; sg games -c script/demo")
    assert "You may not execute /usr/bin/dumpcap" in done.stderr
    assert "sudo usermod -aG games newcomer && sg games -c script/demo" in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert "   (20 packets)" in done.stdout


def test_a_fresh_machine_passes_the_exit_code_on_and_leaves_nothing() -> None:
    system = base.make(base.SUITES["bookworm"])
    before = sorted(path.name for path in (system / "etc").iterdir())
    done = fresh(
        "bookworm", "--user", "--", "sh", "-c", "sudo touch /etc/k8s-extcap-was-here; sleep 100 & id -un; exit 7"
    )
    assert (done.returncode, done.stdout) == (7, "newcomer\n")
    assert leftovers() == []
    assert sorted(path.name for path in (system / "etc").iterdir()) == before


def test_a_killed_run_ends_its_processes_and_the_next_one_sweeps() -> None:
    mark = f"1000{os.getpid()}"
    killed = subprocess.Popen(
        command("bookworm", "--", "sh", "-c", f"echo begun; sleep {mark} & wait"), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"begun\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    deadline = time.monotonic() + 20
    while subprocess.run(["pgrep", "-f", f"sleep {mark}"], stdout=subprocess.DEVNULL, check=False).returncode == 0:
        assert time.monotonic() < deadline, "the killed run's processes live on"
        time.sleep(0.05)
    assert fresh("bookworm", "--", "true").returncode == 0
    assert leftovers() == []
