"""A sibling that outlives the capture: it waits for the end of a pipe that only the capture process holds, however
that ends, and then undoes the journal.

It is started before the first deed, in its own session, with its standard streams on /dev/null, so neither Ctrl+C nor
a closed terminal nor a crashed host reaches it. While it waits it has imported nothing of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k8s_extcap.run.journal import Journal

RELEASED = b"released"
SAID = 8192  # bytes that are taken from the pipe: the proxy's address, and that word
PATIENCE = 10.0  # seconds: a request that a killed process had sent is through, or given up, by then
PAUSES = (0.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0)  # before each try; after the last it is the janitor's

# Isolated from the environment's PYTHON* and the current folder; the path is that of the capture process.
_START = (
    "import sys; sys.path[:] = sys.argv[3:]; from k8s_extcap.run.reaper import wait; wait(sys.argv[1], sys.argv[2])"
)


class Handle:
    """The capture's end of the pipe. Whatever closes it, a kill included, starts the undoing."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int) -> None:
        self.pid = process.pid
        self._process = process
        self._pipe = pipe

    def release(self, *, finished: bool) -> None:
        """`finished`: there is nothing left to undo, so the reaper just leaves."""
        if self._pipe < 0:
            return
        try:
            if finished:
                os.write(self._pipe, RELEASED)
        except OSError:
            pass  # it was killed; the journal tells the janitor
        os.close(self._pipe)
        self._pipe = -1
        if finished:
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                pass
        # It is meant to outlive us: no "still running" warning from the standard library.
        self._process.returncode = self._process.returncode or 0


def arm(journal: Journal) -> Handle:
    """Starts the reaper of this journal. OSError: then no deed may follow."""
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, str(theirs), journal.path, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs,),
            start_new_session=True,
            cwd="/",
        )
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    if journal.proxy:
        os.write(ours, journal.proxy.encode() + b"\n")  # with its password, which stands in no file and no argument
    return Handle(process, ours)


def wait(pipe: str, path: str) -> None:
    """The reaper's life: until the pipe ends, then the undoing."""
    for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGPIPE"):
        if hasattr(signal, name):  # Windows has two of them
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    lock = hold(path)
    said = b""
    while True:
        part = os.read(int(pipe), SAID)
        if not part:
            break
        said = (said + part)[-SAID:]
    proxy, _, last = said.rpartition(b"\n")
    if last == RELEASED or not Path(path).exists():
        return
    from k8s_extcap.edge import log

    log.start("", "info")
    for pause in PAUSES:
        time.sleep(pause)
        if not clean(path, proxy=proxy.decode()):
            break
    if lock >= 0:
        os.close(lock)


def hold(path: str) -> int:
    """Locks the journal, so that a janitor leaves it alone; -1 where somebody else has it, or it is gone."""
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return -1
    if sys.platform != "win32":  # which has no such lock; two that undo the same thing do no harm
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return -1
    return handle


def clean(path: str, *, patience: float = PATIENCE, proxy: str = "") -> list[str]:
    """Undoes a dead capture's journal and removes it; what is left is named, and the journal stays. `proxy`: the one it
    used, where its address has a password.
    """
    from k8s_extcap.model.errors import ExtcapError
    from k8s_extcap.run import journal, keys, undoing
    from k8s_extcap.run.session import open_session

    found = journal.read(path)
    keys.forget(found.owner)
    open_entries = [e for e in found.entries if not e.done]
    if not open_entries:
        Path(path).unlink(missing_ok=True)
        return []
    try:
        session = open_session(found.connection(proxy), interactive=False, capture=found.capture)
    except ExtcapError as error:
        return [error.sentence]
    if (session.server, session.ca_digest) != (found.server, found.ca):
        return [f"The context {found.context} is another cluster now ({session.server}, it was {found.server})."]
    left = undoing.entries(session, found.capture, found.entries, lambda _number: None, patience=patience)
    if not left:
        Path(path).unlink(missing_ok=True)
    return left
