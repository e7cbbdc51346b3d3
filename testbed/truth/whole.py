"""`python -m testbed.truth.whole FILE...`: does a capture file end on a border of its blocks, and does tshark agree?

Shares no code with the product. Exit status 0: every file is whole; 1: one is not, with its reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

_PCAP = {b"\xd4\xc3\xb2\xa1": "little", b"\x4d\x3c\xb2\xa1": "little"}
_PCAP |= {b"\xa1\xb2\xc3\xd4": "big", b"\xa1\xb2\x3c\x4d": "big"}
_SECTION = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "little", b"\x1a\x2b\x3c\x4d": "big"}
# tshark's only line about a file that it likes, where it is run by root.
_HARMLESS = ('Running as user "root"',)


def ends_whole(path: Path) -> bool:
    """Whether it is a capture that ends behind a whole block, and tshark, where there is one, reads it in peace."""
    return not fault(path)


def fault(path: Path, *, tshark: str | None = "tshark") -> str:
    """Why not, in a sentence; "" where all is well. Bodies are skipped, so that gigabytes take no time.

    `tshark`: the program to ask as well; None for nobody.
    """
    with path.open("rb") as file:
        said = _walk(file, path.stat().st_size)
    program = shutil.which(tshark) if tshark else None
    return said or (_refused(program, path) if program else "")


def _walk(file: BinaryIO, size: int) -> str:
    magic = file.read(4)
    if magic == _SECTION:
        return _blocks(file, size)
    if magic in _PCAP:
        return _records(file, size, _PCAP[magic] == "little")
    return "the file is empty" if not magic else f"the file begins with {magic!r}, which is neither pcap nor pcapng"


def _blocks(file: BinaryIO, size: int) -> str:
    at, order = 0, "little"
    while at < size:
        file.seek(at)
        head = file.read(12)
        if head[:4] == _SECTION:
            order = _ORDERS.get(head[8:12], "")
            if not order:
                return f"the section at byte {at} has no byte order"
        length = _number(head[4:8], little=order == "little")
        if len(head) < 12 or at + length > size:
            return f"the file ends at byte {size}, within the block that begins at {at}"
        if length < 12 or length % 4:
            return f"the block at byte {at} has the length {length}"
        file.seek(at + length - 4)
        if file.read(4) != head[4:8]:
            return f"the block at byte {at} has two lengths"
        at += length
    return ""


def _records(file: BinaryIO, size: int, little: bool) -> str:
    at = 24
    if size < at:
        return f"the file ends at byte {size}, within its header"
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = 16 + _number(head[8:12], little=little)
        if len(head) < 16 or at + length > size:
            return f"the file ends at byte {size}, within the packet that begins at {at}"
        at += length
    return ""


def _number(data: bytes, *, little: bool) -> int:
    return int.from_bytes(data, "little" if little else "big")


def _refused(program: str, path: Path) -> str:
    """What tshark says. -q without a table: every block is read, nothing is dissected."""
    done = subprocess.run([program, "-n", "-q", "-r", str(path)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(_HARMLESS)]
    if done.returncode or said:
        return f"tshark ends with {done.returncode} and says: {' '.join(said)[:300]}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    faults = 0
    for name in sys.argv[1:] if arguments is None else arguments:
        said = fault(Path(name))
        faults += bool(said)
        print(f"{name}: {said or 'whole'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
