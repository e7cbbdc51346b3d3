"""How Wireshark reads a list answer: the rules of its extcap_parser.c, written down again from the C source.

A line at a time, valid UTF-8 or dropped; a keyword at the very start followed by a blank and a brace; then attributes,
each ending at the first `}` that is followed by `{`, ASCII white space or the end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_KEYWORD = re.compile(r"^[\t| ]*(arg|value|interface|extcap|dlt|control)(?=[\t| ]+\{)", re.IGNORECASE | re.ASCII)
_ATTRIBUTE = re.compile(r"\{([a-zA-Z_-]*?)=(.*?)\}(?=\{|$|\s)", re.IGNORECASE | re.ASCII)
_KEYWORDS = ("arg", "value", "interface", "extcap", "dlt", "control")


class Sentence(NamedTuple):
    keyword: str
    attributes: dict[str, str]


def read(answer: bytes) -> list[Sentence]:
    """All sentences that the host understands; the keyword is compared whole, so a leading blank makes it unknown."""
    found = []
    for line in answer.split(b"\n"):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            continue
        match = _KEYWORD.match(text)
        if match and match.group(0) in _KEYWORDS:
            found.append(Sentence(match.group(0), {m.group(1): m.group(2) for m in _ATTRIBUTE.finditer(text)}))
    return found


def interfaces(answer: bytes) -> list[tuple[str, str]]:
    """Value and display of each row, in the order printed."""
    return [
        (s.attributes["value"], s.attributes["display"])
        for s in read(answer)
        if s.keyword == "interface" and {"value", "display"} <= s.attributes.keys()
    ]
