"""The processes of a bed: start them so that they can be found, find them by what they are, end them all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from testbed.cluster.bed import MARK, Bed
from testbed.cluster.errors import BedError


def run(
    argv: Sequence[str | Path], *, what: str = "", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run to the end; its standard output. A failure is a sentence with the last line that the program said."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise BedError(f"{what or Path(str(argv[0])).name} failed ({' '.join(map(str, argv))[:120]}): {said[:240]}")
    return done.stdout


def spawn(
    bed: Bed, argv: Sequence[str | Path], log: Path, *, path_first: Path | None = None, join: Iterable[Path] = ()
) -> subprocess.Popen[bytes]:
    """Start a daemon: own session, our mark, output into `log`, and in the cgroups whose `cgroup.procs` are given."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "PYTHON", "K8S_"))}
    env[MARK] = bed.mark
    if path_first:
        env["PATH"] = f"{path_first}:{env.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"
    groups = tuple(join)

    def enter_groups() -> None:
        for group in groups:
            group.write_text("0")  # 0: whoever writes

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(a) for a in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            start_new_session=True,
            # The cgroup must be joined before the program makes children. We are single-threaded: safe.
            preexec_fn=enter_groups if groups else None,  # noqa: PLW1509
        )


def _same_namespace(pid: str, kind: str, inode: tuple[int, int]) -> bool:
    return _inode(Path("/proc") / pid / "ns" / kind) == inode


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def belonging(bed: Bed, netns: Iterable[Path] = ()) -> list[int]:
    """The processes that carry the bed's mark or live in one of its network namespaces; ourselves excepted."""
    inodes = [inode for inode in map(_inode, netns) if inode and inode != _inode(Path("/proc/self/ns/net"))]
    mark = f"{MARK}={bed.mark}".encode()
    found = []
    for entry in (path.name for path in Path("/proc").iterdir()):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            marked = mark in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            if marked or any(_same_namespace(entry, "net", inode) for inode in inodes):
                found.append(int(entry))
        except OSError:
            continue  # gone meanwhile, or a kernel thread
    return found


def end(find: Callable[[], list[int]], within: float = 20.0) -> int:
    """SIGKILL to all that `find` finds, again and again until it finds none; the number of processes ended.

    A number may be used again by a stranger: each is held by a pidfd, and looked at once more, before it is shot.
    """
    shot: set[int] = set()
    until = time.monotonic() + within
    while pids := find():
        held = {}
        for pid in pids:
            try:
                held[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
        still = set(find())
        for pid, handle in held.items():
            try:
                if pid in still:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    shot.add(pid)
            except ProcessLookupError:
                pass  # ended by itself between the two looks
            finally:
                os.close(handle)
        if time.monotonic() > until:
            raise BedError(
                f"processes {sorted(pids)[:10]} of the test bed do not end after SIGKILL; look at them with ps"
            )
        time.sleep(0.02)
    return len(shot)


def wait_until(
    done: Callable[[], bool],
    what: str,
    within: float,
    alive: Mapping[str, tuple[subprocess.Popen[bytes], Path]] | None = None,
    *,
    every: float = 0.05,
) -> None:
    """Poll until `done`. A daemon of `alive` that ends meanwhile ends the waiting with its last words."""
    until = time.monotonic() + within
    while not done():
        for name, (process, log) in (alive or {}).items():
            if process.poll() is not None:
                raise BedError(f"{name} ended with status {process.returncode}: {last_words(log)} (all of it: {log})")
        if time.monotonic() > until:
            raise BedError(
                f"timed out after {within:.0f} s waiting for {what}; the logs are beside the kubeconfig, in log/"
            )
        time.sleep(every)


def last_words(log: Path) -> str:
    """The last line that is no stack trace, cut to what fits into a sentence."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it left no log"
    return lines[-1].strip()[:200] if lines else "its log is empty"
