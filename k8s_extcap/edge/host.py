"""The program that started us: its command line. On the hot lane."""

from __future__ import annotations

from k8s_extcap.edge.folders import read, system

LIMIT = 256 * 1024  # bytes of a command line; longer ones are real, but name no interface that matters
GENERATIONS = 3  # we, a shell that did not exec us, another one: `sh -c` around a launcher of somebody's own
_SHELLS = ("sh", "dash", "bash", "ash", "busybox", "zsh", "ksh", "env")

# Interfaces that no folder of the kernel lists: libpcap's own, and the extcap tools that come with Wireshark.
_OTHERS = frozenset(
    "any nflog nfqueue bluetooth-monitor dbus-system dbus-session androiddump ciscodump dpauxmon falcodump randpkt "
    "sdjournal sshdump udpdump wifidump".split()
)


def command_line() -> list[str]:
    """Words of the nearest ancestor that is no shell; none where /proc does not tell (another system, hidepid)."""
    pid = system.getppid()
    for _ in range(GENERATIONS):
        raw = read(f"/proc/{pid}/cmdline", LIMIT)
        words = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if not words or words[0].rpartition("/")[2].lstrip("-") not in _SHELLS:
            return words
        pid = _parent_of(pid)
        if pid <= 1:
            return words
    return []


def _parent_of(pid: int) -> int:
    # proc(5): the command's name stands in parentheses and may hold anything, the state and the parent follow it.
    fields = read(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def native(word: str) -> bool:
    """Whether a capture source is surely none of ours: the standard input, a pipe, an interface of this machine."""
    if word == "-" or word.startswith(("/", "./", "TCP@", "rpcap://", "usbmon")) or word in _OTHERS:
        return True
    if not word or "/" in word or word in (".", ".."):
        return False
    try:
        system.stat(f"/sys/class/net/{word}")
    except (OSError, ValueError):
        return False
    return True
