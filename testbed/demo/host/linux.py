"""The few system calls that Python 3.11 does not offer: namespaces, mounts, capabilities."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# sys/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT = 1, 15, 24, 36, 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_SET_NO_NEW_PRIVS = 38
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_VERSION_3 = 0x20080522

# linux/capability.h: the names a container specification uses, in the kernel's order.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE"
    " NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT"
    " SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP"
    " MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()

# What containerd gives a container that asks for nothing: CapEff 00000000a80425fb.
DEFAULT_CAPABILITIES = frozenset(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL"
    " AUDIT_WRITE".split()
)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def enter(pid: int, kind: str) -> None:
    """Join one namespace (`net`, `mnt`, `pid`, `uts`) of a process."""
    fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, 0), f"setns {kind} of process {pid}")
    finally:
        os.close(fd)


def enter_fd(fd: int) -> None:
    _check(_libc.setns(fd, 0), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()),
        f"mount {source} on {target}",
    )


def bind(source: str, target: str, *, recursive: bool = False) -> None:
    mount(source, target, "", MS_BIND | (MS_REC if recursive else 0))


def pivot_root(new_root: str) -> None:
    """Make `new_root` (a mount point) the root; the old one is gone afterwards (pivot_root(2), section NOTES)."""
    os.chdir(new_root)
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, b".", b"."), f"pivot_root {new_root}")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def set_hostname(name: str) -> None:
    raw = name.encode()[:63]
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def set_process_name(name: str) -> None:
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def die_with_parent(signal: int) -> None:
    """The kernel sends `signal` to this process when the thread that started it ends (prctl(2))."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl PDEATHSIG")


def adopt_orphans() -> None:
    """Descendants whose parent ends become our children (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl CHILD_SUBREAPER")


def forbid_privileges() -> None:
    """No program started from here on gains rights by its set-user-ID bit or file capabilities (prctl(2))."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl NO_NEW_PRIVS")


def _capset(mask: int, inheritable: int) -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    i_low, i_high = inheritable & 0xFFFFFFFF, inheritable >> 32
    data = struct.pack("6I", low, low, i_low, high, high, i_high)
    _check(_libc.capset(header, data), "capset")


def limit_capabilities(wanted: frozenset[str], *, ambient: bool) -> None:
    """Drop all but `wanted` for this process and all it starts.

    `ambient` is for a user who is not root inside the user namespace: only ambient capabilities survive his execve.
    """
    last = int(_read("/proc/sys/kernel/cap_last_cap"))
    keep = [n for n, name in enumerate(CAPABILITIES) if name in wanted and n <= last]
    for number in set(range(last + 1)) - set(keep):
        _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), f"prctl CAPBSET_DROP {number}")
    mask = sum(1 << n for n in keep)
    _capset(mask, mask if ambient else 0)
    for number in keep if ambient else ():
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), f"ambient capability {number}")


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")  # the codec that needs no import in a container
