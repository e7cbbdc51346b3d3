"""`python -m testbed.demo.host FD FOLDER TCPDUMP [TOOL...]`: the node process, process 1 of its PID namespace.

It serves one control socket (SOCK_SEQPACKET). When that closes, for whatever reason, it ends, and the kernel with it
every process of the demo cluster.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from testbed.demo.host import linux, net
from testbed.demo.host.image import Images
from testbed.demo.host.node import Node
from testbed.demo.host.runtime import Runtime


def main() -> None:
    fd, folder, tcpdump, *tools = sys.argv[1:]
    control = socket.socket(fileno=int(fd))
    control.set_inheritable(False)
    linux.die_with_parent(signal.SIGKILL)
    base = Path(folder) / "node"
    base.mkdir()
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("demo-node", str(base), "tmpfs", 0, "mode=755")
    (base / "root").mkdir()
    os.chdir("/")
    net.make_bridge()
    images = Images(base / "images", tcpdump, tuple(tools))
    Node(control, Runtime(base, images)).serve()


if __name__ == "__main__":
    main()
