"""`python -m testbed.demo.replay FD FOLDER …`: the node process of replay pods.

It has no PID namespace to take everything with it: it adopts its orphans and kills what is left when the control socket
closes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from testbed.demo.host import linux
from testbed.demo.host.node import Node
from testbed.demo.replay.backend import Replay


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def end_all() -> None:
    """Kill every descendant: orphans come to us, generation by generation."""
    while left := children(os.getpid()):
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)


def main() -> None:
    fd, folder, *_ = sys.argv[1:]
    control = socket.socket(fileno=int(fd))
    control.set_inheritable(False)
    linux.adopt_orphans()
    Path(folder).chmod(0o711)  # nobody must be able to reach the programs in it
    base = Path(folder) / "replay"
    base.mkdir(mode=0o711)
    try:
        Node(control, Replay(base)).serve()
    finally:
        end_all()


if __name__ == "__main__":
    main()
