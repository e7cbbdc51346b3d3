"""Every module can be imported where Unix' own modules, functions and constants are absent.

This says nothing about what works there: the modules are executed with those things taken away, nothing more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Of Python's documentation, "Availability: Unix" or "not Windows".
MODULES = "fcntl grp posix pty pwd resource syslog termios tty"
OS = (
    "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_PATH WNOHANG chown fchmod fchown fork getegid geteuid getgid"
    " getpgid getuid initgroups killpg mkfifo pipe2 posix_spawn setpgid setsid statvfs uname wait4 waitpid"
)
SIGNAL = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 SIGWINCH pthread_sigmask setitimer"
SOCKET = "AF_UNIX SCM_RIGHTS TCP_USER_TIMEOUT socketpair"
ON = {"win32": (MODULES, OS, SIGNAL, SOCKET), "darwin": ("", "O_PATH pipe2", "", "TCP_USER_TIMEOUT")}

# First everything as it is, so that what others wrote is there; then ours once more, without.
IMPORT = """
import importlib, pkgutil, sys
import k8s_extcap

def every():
    found = pkgutil.walk_packages(sys.modules["k8s_extcap"].__path__, "k8s_extcap.")
    return [importlib.import_module(name).__name__ for _, name, _ in found if not name.endswith("__main__")]

before = every()
for name in [name for name in sys.modules if name.split(".")[0] == "k8s_extcap"]:
    del sys.modules[name]
platform, *absent = sys.argv[1:]
import os, signal, socket
modules, *names = (words.split() for words in absent)
for module, gone in zip((os, signal, socket), names):
    for name in gone:
        if hasattr(module, name):
            delattr(module, name)
for name in modules:
    sys.modules[name] = None  # importing it is an ImportError
sys.platform = platform
importlib.import_module("k8s_extcap")
assert every() == before
print(len(before))
"""


@pytest.mark.parametrize("platform", ON)
def test_every_module_can_be_imported(platform: str) -> None:
    command = [sys.executable, "-c", IMPORT, platform, *ON[platform]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_what_is_absent_there_would_be_noticed(tmp_path: Path) -> None:
    """The same on a package that imports such a module, so that this test is known to see it."""
    package = tmp_path / "k8s_extcap"
    package.mkdir()
    (package / "__init__.py").touch()
    for line in ("import fcntl", "from os import fork", "import signal; signal.SIGHUP"):
        (package / "low.py").write_text(line)
        command = [sys.executable, "-c", IMPORT, "win32", *ON["win32"]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 1, line
        assert line.split()[1].rstrip(";") in done.stderr
