"""Run by `test_keys`: opens a session again and again, in children that are killed at one line after the other.

    python -m tests.process.keys_killed KUBECONFIG memory|file STRIDE    one JSON line at its end

The folders searched are HOME and TMPDIR, and the shared memory that everybody may write to.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from k8s_extcap.kube import connect, material
from k8s_extcap.model.request import Connection
from k8s_extcap.run import keys
from k8s_extcap.run.session import open_session

# Where files are made and removed: each line of these; elsewhere nothing changes on the disk.
TRACED = (material.__file__, connect.__file__, os.__file__, "/tempfile.py", "/shutil.py", "/kube_config.py")


def holding(fragment: bytes) -> list[str]:
    """Files in which the key is, whatever they are called."""
    found = []
    for root in (os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm"):
        for file in Path(root).rglob("*"):
            try:
                if file.is_file() and file.stat().st_size < 1 << 20 and fragment in file.read_bytes():
                    found.append(str(file))
            except OSError:
                continue  # somebody else's, in the shared memory
    return found


def die_at(line: int) -> Any:
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def child(kubeconfig: str, line: int) -> int:
    """Whether it was killed there: 0 where it came to its end."""
    pid = os.fork()
    if pid == 0:
        sys.settrace(die_at(line))
        open_session(Connection(kubeconfig=kubeconfig))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in (0, signal.SIGKILL), status
    return status


def main(kubeconfig: str, how: str, stride: int) -> None:
    if how == "file":
        del os.memfd_create
    secret = json.loads(Path(kubeconfig).read_text())["users"][0]["user"]["client-key-data"]
    fragment = base64.b64decode(secret).splitlines()[1]
    open_session(Connection(kubeconfig=kubeconfig))  # all that is imported late is there now
    at, moments, left, strange, swept = 1, 0, 0, [], []
    while child(kubeconfig, at):
        moments += 1
        at += stride
        for file in holding(fragment):
            left += 1
            inside = Path(file).parent
            if inside.parent != Path(keys.folder()) or inside.stat().st_mode & 0o777 != 0o700:
                strange.append(file)
        keys.sweep()
        swept += holding(fragment)
        swept += [str(p) for p in Path(keys.folder()).glob("*")]
    print(json.dumps({"moments": moments, "left": left, "strange": strange, "after": swept}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
