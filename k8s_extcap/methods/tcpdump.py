"""tcpdump as we run it: its command line, and what its words on stderr mean.

Three ways, by what is there (measured; payload/README.md has the table):
    ours      the uploaded build: block timer of 8 ms and one flush per block; nothing lost at 100,000/s
    print     a stock 4.99 or newer: with `--print -l` it lowers its block timer to 100 ms though it writes a file
    plain     an older one: immediate mode
SIGUSR2 is never sent: tcpdump flushes inside the handler and tears records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_plus

from k8s_extcap.model.errors import ExtcapError, RemoteError, UsageError, clip
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.wire.pcap import MOST
from k8s_extcap.wireshark.request import FILTER_LIMIT

BLOCK_MS = 8  # our build's block timer: with the way through the cluster 99 of 100 packets are here within 12 ms
RING_KIB = 16384  # at 20,000 packets/s through exec the default of 2 MiB lost 5 % on a busy machine
INLINE_FILTER = 450  # bytes in a URL that certainly fit the request line beside the guard; longer ones go through stdin

# Of Ubuntu 24.04: with -Z root it asks getpwnam for nobody's name and dies of it. As its own user it captures.
DIES_AS_ROOT = (4, 99, 4)

# Seconds to wait before INT so that nothing is missing: one block timer and a little. Ours drains its ring itself.
SETTLE = {"ours": 0.0, "print": 0.12, "plain": 0.03}

# Descriptor 3 is the capture, stdout the printed lines nobody reads. `exec` keeps the process the guard knows.
_TO_STDOUT = 'exec "$@" 3>&1 >/dev/null'


@dataclass(frozen=True, slots=True)
class Line:
    """A command line and what it is. `tail`: the filter, where it is to be given through stdin, else ""."""

    argv: tuple[str, ...]
    mode: str
    settle: float
    tail: str


def line(request: CaptureRequest, program: str, *, mode: str, nic: str, buffer_kib: int, drop_to_root: bool) -> Line:
    """How to run `program`. `drop_to_root`: Debian's build changes to a user that images lack; -Z root keeps it."""
    words = [program]
    if mode == "ours":
        # Twice: one flush per block. Three times: packets as pcapng blocks, which we need not touch one by one.
        words += ["-U", "-U", *(["-U"] if request.output == "pcapng" else []), "--block-timeout", str(BLOCK_MS)]
    elif mode == "print":
        words += ["-q", "-t", "-l", "--print", "-U"]
    else:
        words += ["-U", "--immediate-mode"]
    snaplen = min(request.snaplen or MOST, MOST)  # 0, "all of it", may be more than a host takes
    words += ["-n", "-i", nic, "-s", str(snaplen), "-B", str(request.buffer_kib or buffer_kib)]
    words += [] if request.promiscuous else ["-p"]
    words += ["-Z", "root"] if drop_to_root and mode != "ours" else []
    words += ["-w", "/dev/fd/3" if mode == "print" else "-"]
    size = len(request.filter.encode())
    if size > FILTER_LIMIT:
        raise UsageError(f"The capture filter has {size} bytes; {FILTER_LIMIT} are the most. Shorten it.")
    long = len(quote_plus(request.filter)) > INLINE_FILTER
    tail = " ".join(request.filter.split()) if long else ""  # one line of stdin
    words += ["--"]
    words += [] if tail or not request.filter else [request.filter]
    if mode == "print":
        words = ["sh", "-c", _TO_STDOUT, "tcpdump", *words]
    return Line(tuple(words), mode, SETTLE[mode], tail)


def mode_of(version: tuple[int, ...], *, print_mode: bool) -> str:
    return "print" if print_mode and version >= (4, 99) else "plain"


@dataclass(slots=True)
class Statistics:
    captured: int | None = None
    received: int | None = None
    dropped: int | None = None
    if_dropped: int | None = None


_COUNTS = (
    ("captured", re.compile(r"(\d{1,18}) packets? captured")),
    ("received", re.compile(r"(\d{1,18}) packets? received by filter")),
    ("dropped", re.compile(r"(\d{1,18}) packets? dropped by kernel")),
    ("if_dropped", re.compile(r"(\d{1,18}) packets? dropped by interface")),
)


def count(text: str, into: Statistics) -> bool:
    """Reads a statistics line (the three at the end, or the one that SIGUSR1 prints); False where it is none."""
    found = False
    if "packet" not in text:  # nearly every line of a flood
        return found
    for name, pattern in _COUNTS:
        match = pattern.search(text)
        if match:
            setattr(into, name, int(match[1]))
            found = True
    return found


_NOISE = (
    "listening on",
    "verbose output suppressed",
    "promiscuous mode not supported",
    "(Promiscuous mode",
    "data link type",
)


def noise(text: str) -> bool:
    return not text.strip() or any(word in text for word in _NOISE)


# What the helper pod's look-up and nsx say when they refuse (methods/lookup.py, payload/nsx.c); the NIC it chose.
HELPER, ENTER, CHOSEN = "helper: ", "nsx: ", "helper: interface "
_PROGRAM = re.compile(r"^\S*tcpdump: ")  # who says it; of an upload that is a long name of ours
_PERMISSION = "permission to perform this capture"


def failure(said: str, code: int | None, where: str, request: CaptureRequest) -> ExtcapError:
    """What tcpdump's last words and exit code mean for the user. `said` comes from a pod: clipped, never trusted.

    UsageError for what no other method would make better: a filter or an interface that was asked for.
    """
    words = _PROGRAM.sub("", clip(said, 200))
    if said.startswith((HELPER, ENTER)):
        told = clip(said.removeprefix(HELPER).removeprefix(ENTER), 160)
        return RemoteError(
            f"The helper pod did not enter the network to be captured by {where}, and read no packet: {told}. The pod "
            "may have been restarted meanwhile; try again."
        )
    if "syntax error" in said or "can't parse filter" in said or "unknown host" in said or "unknown port" in said:
        return UsageError(
            f"The capture filter '{clip(request.filter, 80)}' is not valid: {words}. Correct it; tcpdump said this in "
            f"{where}."
        )
    if _PERMISSION in said or ("Operation not permitted" in said and "socket" in said):
        return RemoteError(
            f"tcpdump may not capture in {where}: it lacks the capability NET_RAW ({words}). Choose the method "
            "ephemeral or nsenter, or 'auto' with a larger 'May use'."
        )
    if "No such device" in said or "doesn't exist" in said:
        if not request.interface:
            return RemoteError(
                f"The network interface that was chosen in {where} is not there ({words}). Name one with --nic."
            )
        return UsageError(
            f"--nic: {where} has no network interface '{clip(request.interface, 15)}' ({words}). Leave it empty to "
            "choose, or press Reload beside it."
        )
    if "Couldn't change to" in said or "Couldn't find user" in said:
        return RemoteError(
            f"tcpdump in {where} could not give up its rights ({words}). Use the method upload or ephemeral."
        )
    if code in (126, 127) or "not found" in said:
        return RemoteError(f"tcpdump could not be started in {where} ({words}). Use the method upload or ephemeral.")
    if code == 137:
        return RemoteError(
            f"tcpdump in {where} was killed (137), by the kernel's memory limit or a restart of the container. Try "
            "again with a smaller --buffer, or with the method ephemeral."
        )
    end = f"exit code {code}" if code is not None else "no exit code"
    return RemoteError(
        f"tcpdump in {where} ended with {end}: {words.rstrip('.') or 'it said nothing'}. Try again; if it repeats, use "
        "another method."
    )
