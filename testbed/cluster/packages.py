"""What the distribution brings: packages installed by apt, and packages only unpacked into the cache.

Installed is what starts no service and other tests use as well. containerd and etcd are unpacked where they are not
there already: installing them on a machine with systemd would start them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.cluster import runtime
from testbed.cluster.bed import MARK
from testbed.cluster.errors import BedError
from testbed.cluster.lock import only_one
from testbed.cluster.processes import run

#: program -> Debian and Ubuntu package
PROGRAMS = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "runc": "runc",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
    "mount": "mount",
}
FILES = {
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/bin/busybox": "busybox-static",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Where the machine's own sources name no Debian mirror (Ubuntu). K8S_EXTCAP_DEBIAN_MIRROR overrides.
MIRROR = "http://deb.debian.org/debian"


def missing(programs: Mapping[str, str] = PROGRAMS, files: Mapping[str, str] = FILES) -> tuple[str, ...]:
    """The packages that are needed and not there."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # a user's PATH may lack the folders of iptables
    lacking = [package for program, package in programs.items() if not shutil.which(program, path=path)]
    lacking += [package for file, package in files.items() if not Path(file).exists()]
    return tuple(sorted(set(lacking)))


def install(packages: Sequence[str]) -> None:
    """By apt-get, without a question. Not ended by `down`: an installation cut in two is worse than a finished one."""
    if not packages:
        return
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise BedError(
            f"needed and not found: {names} (Debian's names; this system has no apt-get): install them, then try again"
        )
    if os.geteuid() != 0:
        raise BedError(f"needed and not installed: {names}. As root: apt-get install --no-install-recommends {names}")
    env = {key: value for key, value in os.environ.items() if key != MARK} | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    print(f"installing {names}", flush=True)
    if subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        run(["apt-get", "update", "-qq"], env=env, what="apt-get update")  # a fresh machine has no package lists
        run(command, env=env, what="installing packages")


def debian_mirror() -> str:
    """The mirror that this machine itself uses; apt's own parser reads both formats of its sources."""
    named = os.environ.get("K8S_EXTCAP_DEBIAN_MIRROR")
    if named:
        return named
    targets = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"],
        what="reading the machine's package sources",
    )
    rows = [line.split() for line in targets.splitlines()]
    for row in rows:
        if row[1:] == ["Debian", "Debian"]:
            return row[0].rstrip("/")
    # Without package lists yet (a fresh chroot) there is no origin: the folder's name tells.
    for row in rows:
        if row and row[0].rstrip("/").endswith("/debian"):
            return row[0].rstrip("/")
    return MIRROR


def unpack(root: Path, suite: str, package: str, program: str) -> Path:
    """PACKAGE of a Debian suite, unpacked into the cache; the path of PROGRAM in it. Nothing is installed.

    apt gets a private sources list and state: the machine's package lists stay as they are.
    """
    target = root / "debs" / suite
    found = target / program
    if not found.exists():
        with only_one(root / "apt" / f"{suite}.lock", wait=600):  # beds share what is unpacked
            if not found.exists():
                _unpack(root, suite, package)
    if not found.exists():
        raise BedError(f"the package {package} of Debian {suite} has no {program}: has Debian moved it?")
    return found


def _unpack(root: Path, suite: str, package: str) -> None:
    target = root / "debs" / suite
    print(f"unpacking {package} of Debian {suite} into the cache", flush=True)
    state = root / "apt" / suite
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()  # as if nothing was installed: else apt wants the installed version where that is newer
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {debian_mirror()} {suite} main\n")
    (state / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{state}/lists";\nDir::State::status "{state}/status";\n'
        f'Dir::Cache "{state}/cache";\nAcquire::Languages "none";\n'
        'Acquire::Check-Valid-Until "false";\n'  # sid's Release file is valid a week; mirrors and clocks lag
        'APT::Sandbox::User "root";\n'
    )
    env = {**os.environ, "APT_CONFIG": str(state / "apt.conf")}
    run(["apt-get", "update", "-qq"], env=env, what=f"reading Debian {suite}")
    run(["apt-get", "download", "-qq", package], env=env, cwd=state, what=f"downloading {package} of {suite}")
    fresh = target.with_name(f"{suite}.new-{package}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for archive in state.glob(f"{package}_*.deb"):
        run(["dpkg-deb", "-x", archive, fresh], what=f"unpacking {archive.name}")
        archive.unlink()
    shutil.copytree(fresh, target, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(fresh)


def containerd(root: Path, node: int) -> runtime.Containerd:
    """n1: 1.6, the machine's or Debian 12's. n2: 2.x, Debian sid's, which runs on older systems with their runc."""
    if node > 1:
        return runtime.inspect(unpack(root, "sid", "containerd", "usr/bin/containerd"))
    own = shutil.which("containerd")
    if own:
        found = runtime.inspect(Path(own))
        if found.version.startswith("1.6.") and found.ctr.exists():
            return found
    return runtime.inspect(unpack(root, "bookworm", "containerd", "usr/bin/containerd"))


def etcd(root: Path) -> Path:
    own = shutil.which("etcd")
    return Path(own) if own else unpack(root, "bookworm", "etcd-server", "usr/bin/etcd")
