"""Runs in namespaces of its own: puts the system together, enters it, and is PID 1 there until the command ends.

Every mount and every process goes with these namespaces, however they end. Takes one argument, an `Order` as JSON.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from testbed.chroot import base

DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kmsg")  # the kubelet insists on the last


class Order(NamedTuple):
    """What to run and where; paths of this machine, except `home` and `user`, which are the system's own."""

    base: str
    run: str  # the folder that is thrown away
    checkout: str
    user: str
    rights: bool
    environment: dict[str, str]
    binds: list[tuple[str, str]]
    files: list[str]  # copied to the same path
    command: list[str]


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def assemble(order: Order) -> Path:
    """A writable layer above the base, with the file systems that every machine has. Returns its root."""
    run = Path(order.run)
    root, upper, work = (run / name for name in ("root", "upper", "work"))
    for path in (root, upper, work):
        path.mkdir()
    try:
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={order.base},upperdir={upper},workdir={work}", root)
    except subprocess.CalledProcessError:  # the cache lies on an overlay itself, as in containers
        subprocess.run(["cp", "-a", f"{order.base}/.", str(root)], check=True)
        mount("--bind", root, root)
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/sys", root / "sys")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", root / "dev" / name)
    for name in ("pts", "shm"):
        (root / "dev" / name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,gid=5", "devpts", root / "dev/pts")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev/shm")
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    (root / "dev/fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # nft of Ubuntu 24.04 opens the first for `-f -`
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    return root


def furnish(root: Path, order: Order) -> Path:
    """Name service, certificates, rights, and a clean clone. Returns the clone's path inside."""
    for file in ["/etc/resolv.conf", "/etc/hosts", *order.files]:
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(file, target)
    home = Path("/root" if order.user == "root" else f"/home/{order.user}")
    owner = 0 if order.user == "root" else base.UID
    # Caches lie on a plain disk, as at home: layers of containers cannot be stacked on the layer that we are.
    cache = Path(order.run) / "cache"
    for folder in (cache, root / str(home)[1:] / ".cache"):
        folder.mkdir()
        os.chown(folder, owner, owner)
    mount("--bind", cache, root / str(home)[1:] / ".cache")
    for source, seen in order.binds:
        target = root / seen.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        mount("--bind", source, target)
    if order.rights:
        rule = root / "etc/sudoers.d/newcomer"
        rule.write_text(f"{order.user} ALL=(ALL:ALL) NOPASSWD: ALL\n")
        rule.chmod(0o440)
    clone = home / "k8s-extcap"
    words = ["git", "clone", "--quiet", "--no-hardlinks", order.checkout, str(root) + str(clone)]
    subprocess.run(words, check=True)
    subprocess.run(["chown", "-R", f"{owner}:{owner}", str(root) + str(clone)], check=True)
    return clone


def enter(root: Path) -> None:
    """Makes it the root of this mount namespace. After a mere chroot(2) the kernel refuses user namespaces, which a
    real machine has (user_namespaces(7)).
    """
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "mnt"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/mnt"], check=True)


def become(order: Order, clone: Path) -> None:
    """Replaces this process by the command. The environment is a login's own, plus what was handed over."""
    account = pwd.getpwnam(order.user)  # read inside: the system's own users
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir(clone)
    sbin = "/usr/local/sbin:/usr/sbin:/sbin:" if account.pw_uid == 0 else ""
    login = {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell,
        "PATH": f"{sbin}/usr/local/bin:/usr/bin:/bin",
    }
    os.execvpe(order.command[0], order.command, {**order.environment, **login})


def main() -> int:
    fields = json.loads(sys.argv[1])
    order = Order(**{**fields, "binds": [(source, seen) for source, seen in fields["binds"]]})
    root = assemble(order)
    clone = furnish(root, order)
    enter(root)
    child = os.fork()
    if child == 0:
        become(order, clone)
    while True:  # PID 1 reaps whatever loses its parent
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
