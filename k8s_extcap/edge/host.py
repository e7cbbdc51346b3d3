"""The program that started us: its command line. On the hot lane."""

from __future__ import annotations

from k8s_extcap.edge.folders import number, read, system

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
    return _ancestor()[1]


def identity() -> str:
    """That ancestor as one process among all there ever were on this boot, `PID-START`; "" where that is not told."""
    pid, words = _ancestor()
    fields = _stat(pid) if words else []
    return f"{pid}-{fields[19].decode()}" if len(fields) > 19 else ""


def alive(identity: str) -> bool:
    pid, _, start = identity.partition("-")
    fields = [] if number(pid) is None else _stat(int(pid))
    return len(fields) > 19 and fields[19].decode() == start


def _ancestor() -> tuple[int, list[str]]:
    pid = system.getppid()
    words: list[str] = []
    for _ in range(GENERATIONS):
        raw = read(f"/proc/{pid}/cmdline", LIMIT)
        words = raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if not words or words[0].rpartition("/")[2].lstrip("-") not in _SHELLS:
            break
        above = _stat(pid)
        if len(above) < 2 or int(above[1]) <= 1:
            break
        pid = int(above[1])
    return pid, words


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat from the third on: the second, the command's name, may hold anything (proc(5))."""
    return read(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()


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
