"""The sentences that people were shown when something went wrong, kept in one file for each class of the error tree.

    GOLDEN_UPDATE=1 pytest tests/process/test_errors*.py tests/cluster/test_errors*.py     writes what is shown now

Each is provoked for real and read where a person reads it. docs/errors.md is rendered from these files.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from k8s_extcap.model import errors

FOLDER = Path(__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
UPDATE = os.environ.get("GOLDEN_UPDATE") == "1"

# What differs from run to run; `check` takes more.
_VARIABLE = (
    (re.compile(r"\bhttps?://(127\.0\.0\.1|10\.\d+\.\d+\.\d+):\d+"), "https://SERVER"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"cannot be loaded \([^)]*\)"), "cannot be loaded (REASON)"),  # OpenSSL's words of that version
    (re.compile(r"/[\w/.]*/(?=k8s-extcap-[0-9a-f]{10}-)"), "FOLDER/"),  # the first that may be written there
    (re.compile(r"k8s-extcap-[0-9a-f]{10}\b"), "k8s-extcap-ID"),
    (re.compile(r"after \d+ packets"), "after N packets"),
)
# Words by which a sentence says what to do next.
_NEXT = re.compile(
    r"\b([Tt]ry|Ask|[Cc]heck|[Cc]hoose|Set|Run|Install|Refresh|[Ss]tart|[Uu]se|Name|Write|Correct|Shorten|Remove"
    r"|Type|Leave|Move|Make|Open|[Ll]og in|Is the|Is it|Accepted|It has|It takes|there is now)\b"
    r"|; .+ (is|are)\.$|'k8s-extcap \w+'|'kubectl [\w ]+'"
)


class Shown(NamedTuple):
    """What a person saw: the sentence, the class in the log, the exit code of the capture lane."""

    sentence: str
    kind: str
    code: int


class Entry(NamedTuple):
    kind: str
    when: str
    do: str
    text: str


def classes() -> dict[str, type[errors.ExtcapError]]:
    """The leaves of the tree."""
    return {c.__name__: c for c in errors.ExtcapError.__subclasses__()}


def entries() -> dict[str, Entry]:
    return {key: entry for kind in classes() for key, entry in _read(kind)}


def _read(kind: str) -> Iterator[tuple[str, Entry]]:
    file = FOLDER / f"{kind}.toml"
    table = tomllib.loads(file.read_text()) if file.exists() else {}
    for key, row in table.items():
        yield key, Entry(kind, row["when"], row["do"], row["text"])


def _write(found: Mapping[str, Entry]) -> None:
    for kind in classes():
        rows = [
            f"[{key}]\nwhen = {_quoted(e.when)}\ndo = {_quoted(e.do)}\ntext = {_quoted(e.text)}\n"
            for key, e in sorted(found.items())
            if e.kind == kind
        ]
        (FOLDER / f"{kind}.toml").write_text("\n".join(rows))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a basic string of TOML (toml.io, v1.0.0)


def normal(text: str, names: Mapping[str, str]) -> str:
    """The text with what differs from run to run replaced; `names` maps real words to placeholders."""
    for word, placeholder in sorted(names.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(word, placeholder)
    for pattern, placeholder in _VARIABLE:
        text = pattern.sub(placeholder, text)
    return text


def proper(sentence: str) -> None:
    """What holds for every sentence."""
    assert 0 < len(sentence) <= errors.LIMIT
    assert sentence.isprintable(), ascii(sentence)  # one line, too
    assert sentence[-1] in ".!?…", sentence
    assert "Traceback" not in sentence
    assert "object at 0x" not in sentence
    assert _NEXT.search(sentence), f"it does not say what to do: {sentence}"


def check(key: str, shown: Shown, when: str, do: str, names: Mapping[str, str] | None = None) -> None:
    """What was shown is what the file has under `key`. `when` and `do` are for the page of the documentation."""
    proper(shown.sentence)
    assert shown.code == classes()[shown.kind].exit_code, shown
    entry = Entry(shown.kind, when, do, normal(shown.sentence, names or {}))
    known = entries()
    if UPDATE:
        _write({**known, key: entry})
        return
    assert known.get(key) == entry, f"{key} is not what is kept; GOLDEN_UPDATE=1 writes what is shown now"


def page() -> str:
    """docs/errors.md."""
    head = (
        "# Errors\n\n"
        "Every failure is one sentence: what happened, to which object, what to do next. Under Wireshark it is the text"
        " of the error\ndialog, on the command line the last line; the log (`~/.local/state/k8s-extcap/log/"
        "k8s-extcap.log`) has the cause. The command\nline ends with the exit code of the class.\n\n"
        "The sentences below are what was really shown when each failure was provoked (`tests/process/test_errors*.py`,"
        "\n`tests/cluster/test_errors*.py`); `GOLDEN_UPDATE=1 pytest` on those files renews this page.\n"
    )
    known = entries()
    parts = [head]
    for kind, cls in classes().items():
        rows = [e for _, e in sorted(known.items()) if e.kind == kind]
        parts.append(f"\n## {kind} (exit code {cls.exit_code})\n\n{_ABOUT[kind]}\n")
        parts.append("\n| When | What to do | What is shown |\n| --- | --- | --- |\n")
        parts += [f"| {_cell(e.when)} | {_cell(e.do)} | {_cell(e.text)} |\n" for e in rows]
    return "".join(parts)


def _cell(text: str) -> str:
    return (
        text.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("<", "&lt;")
        .replace("*", "\\*")
        .replace("_", "\\_")
        .replace("`", "\\`")
    )


_ABOUT = {
    "UsageError": "The request itself: an option, an interface name, a capture filter.",
    "ConfigError": "The kubeconfig, its contexts, or files of ours.",
    "CredentialError": "The credential plugin failed, or the cluster does not accept the credentials.",
    "ConnectError": "The API server is not reached: name, network, TLS, proxy.",
    "RefusedError": "The API server, or a gateway before it, answered no. Its words are kept.",
    "TargetError": "The pod, container, workload or node is not there, or cannot be captured now.",
    "MethodError": "No method can capture this target within what the user allowed.",
    "RemoteError": "The far side failed: tcpdump, an upload, a helper.",
    "StreamError": "The stream ended before the capture did.",
    "OutputError": "The FIFO or the file cannot be written.",
}


def keys_in(files: Iterator[Path]) -> set[str]:
    """Words in quotes that could be keys: a key that no test names is stale."""
    return {word for file in files for word in re.findall(r'"([a-z0-9-]+)"', file.read_text())}
