"""A stand-in for tcpdump where no network may be captured: generated packets at their real pace, and it says so.

Options, messages and signals are those that clients of tcpdump 4.99 rely on; filters are tcpdump's own, by BPF.
"""

from __future__ import annotations

import getopt
import os
import shutil
import signal
import struct
import sys
import time
from typing import NamedTuple, NoReturn

from testbed.demo.replay import bpf, frames

_SHORT = "AB:C:DE:F:G:HIJKLM:NOQ:ST:UV:W:XYZ:abc:defhi:j:lm:npqr:s:tuvw:xy:z:#"
_LONG = (
    "buffer-size= count direction= help immediate-mode interface= linktype= list-interfaces list-data-link-types"
    " list-time-stamp-types micro monitor-mode nano no-promiscuous-mode number print relinquish-privileges="
    " snapshot-length= time-stamp-precision= time-stamp-type= version"
).split()
_INTERFACES = ("eth0", "lo", "any")
_VERSION = "tcpdump version 4.99.3 (demo replay: generated packets)\nlibpcap version 1.10.3\n"
_LIST = (
    "1.eth0 [Up, Running, Connected]\n2.any (Pseudo-device that captures on all interfaces) [Up, Running]\n3.lo [Up]\n"
)
_SNAPSHOT = 262144


class Request(NamedTuple):
    interface: str = "eth0"
    file: str = ""
    limit: int = 0
    snapshot: int = _SNAPSHOT
    nano: bool = False
    dump: str = ""
    info: str = ""
    expression: str = ""


def parse(argv: list[str]) -> Request:
    """Raises getopt.GetoptError with the option that tcpdump does not know."""
    options, rest = getopt.gnu_getopt(argv, _SHORT, _LONG)
    found = Request(expression=" ".join(rest))
    for name, value in options:
        match name:
            case "-i" | "--interface":
                found = found._replace(interface=value)
            case "-w":
                found = found._replace(file=value)
            case "-c":
                found = found._replace(limit=int(value))
            case "-s" | "--snapshot-length":
                found = found._replace(snapshot=int(value) or _SNAPSHOT)
            case "--nano":
                found = found._replace(nano=True)
            case "--time-stamp-precision":
                found = found._replace(nano=value == "nano")
            case "-d":
                found = found._replace(dump=found.dump + "d")
            case "--version":
                found = found._replace(info=_VERSION)
            case "-D" | "--list-interfaces":
                found = found._replace(info=_LIST)
            case _:
                pass  # it changes how tcpdump prints or buffers, not what is captured
    return found


class Counters:
    def __init__(self) -> None:
        self.captured = self.received = 0

    def line(self, separator: str) -> str:
        return separator.join(
            (
                f"{self.captured} packets captured",
                f"{self.received} packets received by filter",
                "0 packets dropped by kernel",
            )
        )


def _fail(text: str) -> NoReturn:
    sys.stderr.write(f"tcpdump: {text}\n")
    sys.exit(1)


def _open(name: str) -> int:
    if name == "-":
        return os.dup(1)
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as error:
        _fail(f"{name}: {error.strerror}")


def _program(expression: str) -> list[bpf.Instruction]:
    if not expression:
        return []
    real = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
    if real is None:
        _fail("replay: filters need a tcpdump on this machine, and there is none")
    try:
        return bpf.compile_filter(real, expression)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def main() -> None:
    try:
        request = parse(sys.argv[1:])
    except (getopt.GetoptError, ValueError) as error:
        _fail(str(error))
    if request.info:
        sys.stdout.write(request.info)
        return
    program = _program(request.expression)
    if request.dump:
        print(len(program) if request.dump == "ddd" else "(000) ret      #262144")
        return
    if request.interface not in _INTERFACES:
        _fail(f"{request.interface}: No such device exists\n(No such device exists)")
    _capture(request, program)


def _capture(request: Request, program: list[bpf.Instruction]) -> None:
    counters = Counters()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, lambda *_: _end(counters))
    signal.signal(signal.SIGUSR1, lambda *_: _say(f"tcpdump: {counters.line(', ')}"))
    output = _open(request.file) if request.file else -1
    _say("tcpdump: replay: generated packets, no network is captured here")
    _say(
        f"tcpdump: listening on {request.interface}, link-type EN10MB (Ethernet), snapshot length"
        f" {request.snapshot} bytes"
    )
    magic, unit = (0xA1B23C4D, 1) if request.nano else (0xA1B2C3D4, 1000)
    if output >= 0:
        _write(output, struct.pack("<IHHiIII", magic, 2, 4, 0, 0, request.snapshot, 1))
    for frame in frames.endless():
        time.sleep(frame.after)
        if request.interface == "lo" or (program and not bpf.accepts(program, frame.data)):
            continue
        counters.captured += 1
        counters.received += 1
        seconds, rest = divmod(time.time_ns(), 10**9)
        kept = frame.data[: request.snapshot]
        if output >= 0:
            _write(output, struct.pack("<IIII", seconds, rest // unit, len(kept), len(frame.data)) + kept)
        else:
            print(f"{time.strftime('%H:%M:%S')} replayed frame, length {len(frame.data)}", flush=True)
        if counters.captured == request.limit:
            _end(counters)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _say(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def _end(counters: Counters) -> NoReturn:
    _say(counters.line("\n"))
    os._exit(0)


if __name__ == "__main__":
    main()
