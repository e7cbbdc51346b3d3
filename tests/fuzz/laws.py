"""What holds for every parser: an input is accepted, or ends in a documented error whose sentence can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from k8s_extcap.model.errors import LIMIT, ExtcapError


def shown(sentence: str, limit: int = LIMIT) -> None:
    """One printable line of a bounded length."""
    assert 0 < len(sentence) <= limit
    assert sentence.isprintable(), ascii(sentence)


@contextmanager
def documented() -> Iterator[None]:
    """Lets ExtcapError pass, and nothing else."""
    try:
        yield
    except ExtcapError as error:
        shown(error.sentence)


def text(data: bytes) -> str:
    """As Python makes a command line or an environment of it."""
    return data.decode("utf-8", "surrogateescape")


def words(data: bytes) -> list[str]:
    """NUL ends a word, as in /proc/PID/cmdline; a command line of ours has no NUL in a word."""
    return [text(word) for word in data.split(b"\0")]


def pairs(data: bytes) -> dict[str, str]:
    """Lines `key=value` as a dictionary; a NUL stands for a line end within a value."""
    found = {}
    for line in data.split(b"\n"):
        key, _, value = line.partition(b"=")
        found[text(key)] = text(value.replace(b"\0", b"\n"))
    return found
