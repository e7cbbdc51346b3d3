"""A tiny extcap that does what its settings file says and records each call. Stand-alone, standard library only.

Run as `example_extcap.py SETTINGS --extcap-…`; SETTINGS is the JSON text of `example.Settings`.
"""

import json
import os
import signal
import struct
import sys
import time
from pathlib import Path

# Ethernet (link type 1), version 2.4, packets of 262144 bytes at most: draft-ietf-opsawg-pcap.
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


def main() -> int:
    path, *argv = sys.argv[1:]
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    record(settings["log"], argv)
    if "--capture" in argv:
        return capture(argv[argv.index("--fifo") + 1], settings)
    for call in ("interfaces", "config", "dlts"):
        if f"--extcap-{call}" in argv:
            sys.stdout.write(settings[call])
            return int(settings["status"]) if call == "interfaces" else 0
    return 0


def capture(fifo: str, settings: dict[str, object]) -> int:
    def stop(number: int, _frame: object) -> None:
        record(str(settings["log"]), [f"signal {number}"])
        signal.setitimer(signal.ITIMER_REAL, 0.3)  # Ctrl+C is two signals, in any order

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(0))
    with Path(fifo).open("wb", buffering=0) as out:
        out.write(FILE_HEADER)
        out.writelines(packet(number) for number in range(int(str(settings["packets"]))))
        sys.stderr.write(str(settings["stderr"]))
        sys.stderr.flush()
        while settings["hold"]:
            time.sleep(1)
    return 0


def packet(number: int) -> bytes:
    """UDP from 192.0.2.1:50000+number to 192.0.2.2:40000, its payload the number as text (RFC 5737 addresses)."""
    payload = f"packet {number}".encode()
    udp = struct.pack(">HHHH", 50000 + number, 40000, 8 + len(payload), 0) + payload
    addresses = bytes((192, 0, 2, 1, 192, 0, 2, 2))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0) + addresses
    frame = bytes.fromhex("020000000002 020000000001 0800") + ip + udp
    now = time.time_ns() // 1000
    return struct.pack("<IIII", now // 10**6, now % 10**6, len(frame), len(frame)) + frame


def record(log: str, argv: list[str]) -> None:
    # One write with O_APPEND: calls come from several threads of Wireshark at once.
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(argv) + "\n")


sys.exit(main())
