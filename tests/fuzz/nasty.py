"""Words that mean something to a shell, made at random: each would leave a file behind if any part of it were run."""

from __future__ import annotations

import random

# What a word is put together from. `@` becomes the file that must never be there.
PIECES = (
    "$(touch @)", "`touch @`", "';touch @;'", '";touch @;"', "\\';touch @;\\'", ";touch @;", "|touch @", "&touch @&",
    "||touch @||", "&&touch @&&", ">@", ">>@", "<@", "\ntouch @\n", "\n", "\t", " ", "  ", "${x:=$(touch @)}",
    "$((1+1))",
    "$0", "$@", "$*", "$#", "$$", "$!", "$?", "$HOME", "${IFS}", "~", "*", "?", "[a-z]*", "{a,b}", "!", "!!", "#",
    "%s%n",
    "\\", "\\\\", "\\n", "\\0", "'", '"', "''", '""', "`", "$", "(", ")", "-", "--", "-n", "-e", "-w@", "-z",
    "-ztouch @",
    "=", "a=b", "é", "\u2028", "\u202e", "𝄞", "tcp port 80", "or", "and (host 10.0.0.1)", "x", "EOF",
    "k8s-extcap: rc=0",
)  # fmt: skip
# Not text in UTF-8 at all; no NUL, which no argument can hold.
RAW = (b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\x80", b"\x1b[2J", b"\x07", b"\r", b"\x01", b"\x7f")
LONGEST = 16 * 1024  # bytes of a word: the longest filter that is accepted


def words(seed: str, count: int, canary: str, *, raw: bool = True, most: int = LONGEST) -> list[bytes]:
    """So many words of at most so many bytes. `raw`: bytes that are no text among them."""
    r = random.Random(seed)
    made: list[bytes] = []
    while len(made) < count:
        parts = [r.choice(PIECES).replace("@", canary).encode() for _ in range(r.choice((1, 1, 2, 3, 5, 9)))]
        if raw and r.random() < 0.3:
            parts.insert(r.randint(0, len(parts)), r.choice(RAW))
        word = b"".join(parts)
        if r.random() < 0.02:
            word = word * (most // len(word))
        if len(word) <= most:
            made.append(word)
    return made


def variables(seed: str, canary: str, *, raw: bool = True) -> dict[bytes, bytes]:
    """An environment that shells of several kinds look at."""
    some = words(seed, 40, canary, raw=raw)
    names = b"IFS ENV BASH_ENV PS1 PS4 PROMPT_COMMAND CDPATH HOME PWD OLDPWD LINES LANG TMPDIR one two x ticks"
    found = dict(zip(names.split(), some, strict=False))
    found |= {b"K8S_" + str(n).encode(): word for n, word in enumerate(some[20:])}
    found[b"SHELLOPTS"] = b"braceexpand"  # read-only in bash: anything else ends it before it reads a word of ours
    found[b"LC_ALL"] = b"C.UTF-8"
    return found
