"""How large a kernel buffer a container can bear: a capture must not get the application killed.

What is written to a tmpfs (/dev is one) is the container's memory, and so are the ring of a packet socket and the
page cache of what flows through. Writing 8 MB to /dev in a pod near its limit got the *application* killed.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8s_extcap.methods.tcpdump import RING_KIB
from k8s_extcap.model.objects import Container, Pod
from k8s_extcap.model.plan import ContainerFacts

MARGIN = 8 << 20  # bytes: tcpdump itself takes 2-4 MB, the guard's five processes 1 MB, the rest is the application's
LEAST_KIB = 1024  # a smaller ring loses packets at a few thousand per second
SLOW_CPU = 100  # thousandths: below it, a large ring only hides that tcpdump is throttled
SLOW_KIB = 2048

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}


@dataclass(frozen=True, slots=True)
class Room:
    """`kib` is the buffer to use, 0: none fits. `sentence` says why it is not the one wanted, "" if it is."""

    kib: int
    sentence: str = ""


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def ring(facts: ContainerFacts, upload: int, wanted: int = 0) -> Room:
    """The buffer for a capture in this container. `upload`: bytes that will lie on a tmpfs there; `wanted`: KiB asked
    for by the user, 0 for the usual one. What is unknown does not limit.
    """
    kib = wanted or RING_KIB
    why = ""
    if facts.cpu_millis is not None and facts.cpu_millis < SLOW_CPU and kib > SLOW_KIB:
        kib, why = SLOW_KIB, f"its CPU limit is {facts.cpu_millis}m, so the buffer is {SLOW_KIB // 1024} MiB"
    if facts.memory_limit is None or facts.memory_used is None:
        return Room(kib, why)
    free = facts.memory_limit - facts.memory_used
    have = f"{_mib(facts.memory_used)} of its limit of {_mib(facts.memory_limit)} are used"
    if upload + kib * 1024 + MARGIN <= free:
        return Room(kib, why)
    fits = (free - upload - MARGIN) // 1024
    if fits >= min(LEAST_KIB, kib):
        fits -= fits % 64  # whole blocks of the ring
        return Room(fits, f"{have}, so the buffer is {fits} KiB")
    need = upload + min(LEAST_KIB, kib) * 1024 + MARGIN
    return Room(0, f"{have}, and a capture there needs {_mib(need)}: it could get the application killed")


def bytes_of(quantity: str | float) -> int | None:
    """A quantity of the API (`64Mi`, `1.5G`, `500`) as whole bytes; None for what is none."""
    text = str(quantity).strip()
    digits = text.rstrip("kKMGTPi")
    factor = _UNITS.get(text[len(digits) :])
    try:
        return int(float(digits) * factor) if factor else None
    except (ValueError, OverflowError):
        return None


def _limit(container: Container) -> int | None:
    value = container.resources.limits.get("memory")
    return None if value is None else bytes_of(value)


def pod_ring(pod: Pod, containers: dict[str, ContainerFacts], wanted: int = 0) -> Room:
    """The buffer for an ephemeral container, which has no limit of its own and is charged to the pod: the pod has a
    limit if each of its containers has one. Containers whose usage is unknown are taken for full.
    """
    limits = {c.name: _limit(c) for c in pod.spec.containers}
    known = [limit for limit in limits.values() if limit is not None]
    millis = [c.cpu_millis for c in containers.values() if c.cpu_millis is not None]
    cpu = sum(millis) if millis and len(millis) == len(limits) else None
    if not known or len(known) < len(limits):
        return ring(ContainerFacts("", cpu_millis=cpu), upload=0, wanted=wanted)
    used = 0
    for name, limit in limits.items():
        seen = containers[name].memory_used if name in containers else None
        used += (limit or 0) if seen is None else seen
    if all(name not in containers or containers[name].memory_used is None for name in limits):
        return ring(ContainerFacts("", cpu_millis=cpu), upload=0, wanted=wanted)
    return ring(ContainerFacts("", memory_limit=sum(known), memory_used=used, cpu_millis=cpu), upload=0, wanted=wanted)
