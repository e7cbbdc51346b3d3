"""How a capture ends after a blow, and what its file must be like: whole blocks, read by tshark without a warning."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

from testbed.matrix.scene import Scene

SELF = 25.0  # seconds for a capture to notice by itself: 15 without an answer, and two looks
STOP = 30.0  # seconds from SIGTERM to its end: Wireshark's own patience
ON = 90.0  # seconds for a stream to be taken up again: a container's restart waits ten, then the pauses grow


def conclude(scene: Scene, before: int) -> str:
    """Until the capture has ended: by itself, or by SIGTERM where it goes on (more than `before` bytes in its file).
    Gives how, for people. TimeoutError where it does neither.
    """
    over = time.monotonic() + SELF
    began = time.monotonic()
    while not scene.ended and time.monotonic() < over:
        if scene.size() > before and time.monotonic() - began > 2:
            break
        time.sleep(0.1)
    if scene.ended:
        return "ended by itself"
    grew = scene.size() > before
    stop(scene)
    return "went on, then stopped" if grew else "waited, then stopped"


def goes_on(scene: Scene, before: int) -> str:
    """With reconnect: packets come again, then a stop in good order."""
    over = time.monotonic() + ON
    while not scene.ended and scene.size() <= before + 400:
        if time.monotonic() > over:
            raise TimeoutError(f"no packets {ON:.0f} s after the blow")
        time.sleep(0.1)
    if scene.ended:
        raise TimeoutError(f"it ended instead of going on: {scene.words()}")
    time.sleep(2)
    stop(scene)
    return "went on, then stopped"


def stop(scene: Scene) -> None:
    scene.signal(signal.SIGTERM)
    assert scene.process is not None
    try:
        scene.process.wait(STOP)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"it did not end within {STOP:.0f} s of SIGTERM") from None


def said_wrong(scene: Scene) -> str:
    """Why its words are no good ending, "" where they are: nothing, or one sentence and an exit code. A capture that
    went on after a cut ends well, and tells the gap.
    """
    assert scene.process is not None
    code, words = scene.process.wait(STOP), scene.words()
    if code < 0:
        return ""  # it was killed
    gap = scene.reconnect and words.startswith("The capture has a gap")
    if (bool(code) != bool(words) and not gap) or "\n" in words or len(words) > 400:
        return f"exit {code} with these words: {words[:200] or '(none)'}"
    return ""


def packets(file: Path) -> tuple[int, str]:
    """(packets, what is wrong with the file). The blocks are walked here, and tshark has the last word."""
    data = file.read_bytes()
    if not data:
        return 0, ""  # its reader or writer died before the first block
    wrong = _blocks(data)
    program = shutil.which("tshark")
    if wrong or not program:
        return 0, wrong
    words = [program, "-n", "-r", str(file), "-T", "fields", "-e", "frame.number"]
    read = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    said = [line for line in read.stderr.splitlines() if line.strip() and "as user" not in line]
    count = len(read.stdout.split())
    if read.returncode or said:
        return count, f"tshark ends with {read.returncode} and says: {' '.join(said)[:200]}"
    return count, ""


def _blocks(data: bytes) -> str:
    """pcapng: each block has its length at both ends (draft-ietf-opsawg-pcapng 3.1)."""
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            return f"{len(data) - at} bytes behind the last block"
        length = struct.unpack_from("<I", data, at + 4)[0]
        if length < 12 or length % 4 or at + length > len(data):
            return f"a block of {length} bytes with {len(data) - at} left"
        if struct.unpack_from("<I", data, at + length - 4)[0] != length:
            return "a block whose lengths differ"
        at += length
    return ""
