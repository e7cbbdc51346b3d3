"""CPU, memory and time of whole processes, by the kernel's own accounting; medians with every run shown."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = 5  # of everything; the median is quoted, the runs are shown


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process that ended, with all that it waited for: CPU seconds (user and system), wall seconds."""

    cpu: float
    wall: float


def cost(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """One run, its output thrown away. OSError where it cannot start, AssertionError where it fails."""
    null = os.open(os.devnull, os.O_RDWR)
    began = time.monotonic()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
        pid = os.posix_spawnp(argv[0], list(argv), dict(env or os.environ), file_actions=actions)
        _, status, used = os.wait4(pid, 0)
    finally:
        os.close(null)
    assert status == 0, f"{argv[0]} ended with {status}"
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Live:
    """Of a process that runs: CPU seconds until now, resident MB now."""

    cpu: float
    rss: float


def live(pid: int) -> Live:
    """Of the process and nothing it started. The scheduler counts nanoseconds, where stat's clock ticks are 10 ms."""
    spent = sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Live(spent / 1e9, int(fields[21]) * os.sysconf("SC_PAGESIZE") / 1e6)


REMOTE = ("kube-apiserver", "kubelet", "containerd", "containerd-shim", "tcpdump")


def by_name() -> dict[str, float]:
    """CPU seconds until now of the far side's programs, all processes of a name together. comm has 15 characters."""
    totals = dict.fromkeys(REMOTE, 0.0)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            head, _, tail = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        comm, fields = head.partition("(")[2], tail.split()
        name = next((n for n in REMOTE if comm == n[:15]), "tcpdump" if comm.startswith("k8s-extcap-") else "")
        if name:
            totals[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return totals


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def shown(values: Sequence[float], digits: int = 2) -> str:
    """`1.07 (1.05 1.07 1.10)`: the median, and every run."""
    return f"{median(values):.{digits}f} ({' '.join(f'{v:.{digits}f}' for v in sorted(values))})"


QUIET = 0.1  # share of the CPUs that others may use while one calls the machine idle


def idle() -> str:
    """How idle the machine is: CPU used by others in one second, and the load. Printed beside each table."""

    def busy() -> tuple[int, int]:
        numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(numbers), numbers[3] + numbers[4]

    total, rest = busy()
    time.sleep(1)
    total_now, rest_now = busy()
    used = 1 - (rest_now - rest) / max(1, total_now - total)
    verdict = "idle" if used <= QUIET else "**not idle**"
    return f"{os.cpu_count()} CPUs, {used:.0%} busy before the run ({verdict}), load {os.getloadavg()[0]:.1f}"
