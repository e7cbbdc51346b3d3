"""Container images: small trees of programs copied from this machine, with its shared libraries bound read-only.

Copied, because what an image must not have (tcpdump, a shell) must not be reachable by its full path either.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from testbed.demo.host import linux

# What a small image with a shell brings: coreutils and the few others that scripts in containers rely on.
TOOLS = (
    "sh dash bash cat ls dd cp mv rm mkdir rmdir ln chmod chown touch head tail cut tr sort uniq wc tee sleep date env"
    " id uname hostname pwd printf echo test [ true false seq expr basename dirname readlink realpath mktemp stat df du"
    " sha256sum sha1sum md5sum base64 od stty nohup timeout kill nproc yes sync find xargs grep sed gzip gunzip tar ps"
    " ip ping mawk awk mount getconf cmp xz"
).split()
# `-i` with busybox instead of the separate programs: the commonest small image there is.
BUSYBOX = "/usr/bin/busybox"

SHELL, TCPDUMP, BUSY, SCRATCH, HELPER = "shell", "tcpdump", "busybox", "scratch", "helper"

# Image reference in a pod's spec -> which tree it is. Anything else cannot be pulled.
REFERENCES = {
    "localhost/demo/shell:1": SHELL,
    "localhost/demo/tcpdump:1": TCPDUMP,
    "localhost/demo/busybox:1": BUSY,
    "localhost/demo/web:1": SCRATCH,
    "localhost/demo/helper:1": HELPER,
}

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_USERS = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
tcpdump:x:102:104::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\ndaemon:x:1:\ntcpdump:x:104:\nnogroup:x:65534:\n"

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Images:
    """The trees, made once under `folder` (a tmpfs of the node's own mount namespace)."""

    def __init__(self, folder: Path, tcpdump: str, extra: tuple[str, ...] = ()) -> None:
        self._folder = folder
        found = {name: path for name in TOOLS if (path := shutil.which(name, path="/usr/bin:/usr/sbin"))}
        found |= {Path(path).name: path for path in extra}
        self._make(SHELL, found)
        self._make(TCPDUMP, {**found, **({"tcpdump": tcpdump} if tcpdump else {})})
        nsenter = shutil.which("nsenter")
        self._make(HELPER, {**found, "tcpdump": tcpdump, "nsenter": nsenter} if tcpdump and nsenter else found)
        self._make_busybox(found)

    def has(self, image: str) -> bool:
        return image == SCRATCH or (self._folder / image).is_dir()

    def tree(self, image: str) -> Path | None:
        return None if image == SCRATCH else self._folder / image

    def _make(self, image: str, programs: dict[str, str]) -> None:
        target = self._folder / image / "bin"
        target.mkdir(parents=True)
        for name, source in programs.items():
            self._place(source, target / name)
        (self._folder / image / "sbin").symlink_to("bin")
        self._add_libraries(image)

    def _place(self, source: str, target: Path) -> None:
        store = self._folder / "store"
        store.mkdir(exist_ok=True)
        once = store / os.path.realpath(source).replace("/", "_")
        if not once.exists():
            shutil.copyfile(source, once)
            once.chmod(0o755)
        os.link(once, target)

    def _make_busybox(self, found: dict[str, str]) -> None:
        if not Path(BUSYBOX).exists():
            self._make(BUSY, found)
            return
        target = self._folder / BUSY / "bin"
        target.mkdir(parents=True)
        self._place(BUSYBOX, target / "busybox")
        for name in sorted({*TOOLS} - {"bash", "dash", "mawk", "getconf", "xz"}):
            (target / name).symlink_to("busybox")
        (self._folder / BUSY / "sbin").symlink_to("bin")
        self._add_libraries(BUSY)

    def _add_libraries(self, image: str) -> None:
        for name in ("lib", "lib64", "lib32", "libx32"):
            source = f"/usr/{name}"
            if Path(source).is_dir():
                target = self._folder / image / name
                target.mkdir()
                linux.bind(source, str(target))


def enter_root(
    tree: Path | None,
    base: Path,
    *,
    hostname: str,
    ipv4: str,
    read_only: bool,
    state: Path,
    container: str,
    volumes: tuple[str, ...],
) -> None:
    """Give this process (alone in its mount namespace) a root of its own, as a container runtime does.

    Writable: the root unless `read_only`, /dev (64 MB, as containerd mounts it) and /dev/shm (noexec).
    """
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    root = str(base)
    linux.mount("tmpfs", root, "tmpfs", 0, "mode=755")
    for name in ("usr", "proc", "sys", "dev", "etc", "tmp", "root", "home", "var/run", "var/tmp", "run"):
        Path(root, name).mkdir(parents=True)
    for name in ("tmp", "var/tmp"):
        Path(root, name).chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        if tree is not None:
            Path(root, name).symlink_to(f"usr/{name}")
    if tree is not None:
        linux.bind(str(tree), f"{root}/usr", recursive=True)
    _write_etc(root, hostname, ipv4, state)
    linux.mount("proc", f"{root}/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    _mount_sys(f"{root}/sys")
    _make_dev(f"{root}/dev")
    # As the kubelet does: mountinfo of any process in it then names the container, too.
    log = state / "containers" / container
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    Path(root, "dev/termination-log").touch()
    linux.bind(str(log), f"{root}/dev/termination-log")
    for volume in volumes:
        Path(f"{root}{volume}").mkdir(parents=True, exist_ok=True)
        linux.mount("tmpfs", f"{root}{volume}", "tmpfs", 0, "mode=777")
    if read_only:
        linux.mount("none", root, "", linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY)
    linux.pivot_root(root)


def _write_etc(root: str, hostname: str, ipv4: str, state: Path) -> None:
    texts = {
        "passwd": _USERS,
        "group": _GROUP,
        "hostname": f"{hostname}\n",
        "resolv.conf": "search svc.cluster.local cluster.local\nnameserver 10.88.0.10\noptions ndots:5\n",
        "os-release": 'NAME="demo"\nID=demo\n',
    }
    for name, text in texts.items():
        Path(root, "etc", name).write_text(text, encoding="utf-8")
    # A file of the kubelet's, bound as it does: /proc/PID/mountinfo of any process then names the pod's uid.
    hosts = state / "etc-hosts"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text(f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{ipv4}\t{hostname}\n", encoding="utf-8")
    Path(root, "etc/hosts").touch()
    linux.bind(str(hosts), f"{root}/etc/hosts")


def _mount_sys(target: str) -> None:
    try:
        linux.mount("sysfs", target, "sysfs", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_RDONLY)
    except OSError:
        return  # a user namespace inside a container may not mount it; the pod then has an empty /sys


def _make_dev(dev: str) -> None:
    linux.mount("tmpfs", dev, "tmpfs", linux.MS_NOSUID, "mode=755,size=65536k")
    for name in _DEVICES:
        Path(dev, name).touch()
        linux.bind(f"/dev/{name}", f"{dev}/{name}")
    Path(dev, "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        Path(dev, name).symlink_to(f"/proc/self/fd/{number}")
    Path(dev, "shm").mkdir()
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("shm", f"{dev}/shm", "tmpfs", flags, "mode=1777,size=65536k")
