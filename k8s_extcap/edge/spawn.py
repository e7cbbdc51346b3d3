"""Starting a program that nobody waits for. On the hot lane."""

from __future__ import annotations

import sys

from k8s_extcap.edge.folders import system


def ourselves() -> list[str]:
    """This program as it was started by the launcher: interpreter, its flags, the script."""
    script = __file__.rpartition("edge")[0] + "__main__.py"
    return [sys.executable, "-I", "-S", "-E", "-X", "utf8", script]


def detached(argv: list[str]) -> int:
    """Starts `argv` in a session of its own with no standard stream of ours (Wireshark reads our standard output to
    its end, so a child that kept it would be waited for). Its process id. OSError.

    It stays in the folder where we are: KUBECONFIG may be relative to it.
    """
    if sys.platform == "win32":
        import subprocess

        null = subprocess.DEVNULL
        alone = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, creationflags=alone).pid
    pid = system.fork()
    if pid:
        return pid
    try:
        system.setsid()
        null = system.open("/dev/null", system.O_RDWR)
        for stream in (0, 1, 2):
            system.dup2(null, stream)
        system.execv(argv[0], argv)
    finally:
        system._exit(127)  # noqa: SLF001 (its name in `posix`); reached only if exec failed
