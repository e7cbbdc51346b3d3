"""The kept inputs: one text file per parser below `corpus/`, one input per line, escaped so that it can be read.

What once broke a law stays here for good; the rest reaches lines that nothing else reaches.
"""

from __future__ import annotations

import codecs
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def escape(data: bytes) -> str:
    line = data.decode("latin-1").encode("unicode_escape").decode("ascii")
    return "\\x23" + line[1:] if line.startswith("#") else line  # a line with # in front is a remark


def unescape(line: str) -> bytes:
    return codecs.decode(line, "unicode_escape").encode("latin-1")


def load(parser: str) -> list[bytes]:
    file = FOLDER / f"{parser}.txt"
    lines = file.read_text(encoding="ascii").split("\n") if file.exists() else []
    return [unescape(line) for line in lines if line and not line.startswith("#")]


def add(parser: str, inputs: list[bytes]) -> int:
    """Appends those that are not kept yet; how many."""
    known = set(load(parser))
    new = [data for data in dict.fromkeys(inputs) if data not in known and data]
    if new:
        with (FOLDER / f"{parser}.txt").open("a", encoding="ascii") as file:
            file.writelines(escape(data) + "\n" for data in new)
    return len(new)
