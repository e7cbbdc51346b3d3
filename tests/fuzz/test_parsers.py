"""Every parser of what comes from outside keeps its laws: for the kept inputs, and for some thousands made anew.

`python -m tests.fuzz --seconds 600` makes as many as there is time for.
"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from k8s_extcap.model.errors import UsageError
from tests.fuzz import engine, kept
from tests.fuzz.engine import HangError, Parser, attack, one
from tests.fuzz.laws import documented
from tests.fuzz.parsers import PARSERS

COUNT = 250  # inputs of a parser with a share of 1: half a second


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda p: p.name)
def test_every_input_is_accepted_or_ends_in_a_documented_error(parser: Parser) -> None:
    count = int(COUNT * parser.share) + 5
    tally = attack(parser, kept.load(parser.name), count=count)
    assert {kind: kept.escape(data)[:500] for kind, (data, _) in tally.broken.items()} == {}
    assert tally.inputs >= count


def test_each_parser_has_its_name_and_its_kept_inputs() -> None:
    names = [parser.name for parser in PARSERS]
    assert len(set(names)) == len(names)
    assert {file.stem for file in kept.FOLDER.glob("*.txt")} <= set(names)
    assert all(parser.seeds for parser in PARSERS)


@pytest.mark.parametrize("data", [b"", b"#x", b"a\nb\\n\r\0\xff\x1b", bytes(range(256))])
def test_what_is_kept_comes_back(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept.unescape(kept.escape(data)) == data
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    assert kept.add("p", [data, data]) == bool(data)
    assert kept.add("p", [data]) == 0
    assert kept.load("p") == ([data] if data else [])


# The engine finds what there is to be found.


def _breaks(data: bytes) -> None:
    assert b"ab" not in data


def test_a_broken_law_is_found_shortened_and_the_same_again() -> None:
    parser = Parser("breaks", _breaks, (b"xxxaxxxxbxxx",), (b"a", b"b"))
    first, again = (attack(parser, [], count=3000, seed=3) for _ in range(2))
    assert [data for data, _ in first.broken.values()] == [b"ab"]
    assert [data for data, _ in again.broken.values()] == [b"ab"]


def test_what_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(_data: bytes) -> None:
        while True:
            pass

    monkeypatch.setattr(engine, "CPU_LIMIT", 0.2)
    with pytest.raises(HangError):
        one(Parser("hangs", hangs, (b"",)), b"")


def test_what_takes_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def takes(_data: bytes) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        held = bytearray((peak + 2 * engine.MEMORY_LIMIT) * 1024)
        held[::4096] = b"x" * len(held[::4096])

    monkeypatch.setattr(engine, "MEMORY_LIMIT", 4096)

    with pytest.raises(AssertionError, match="MiB of memory"):
        one(Parser("takes", takes, (b"",)), b"x")


def _raise(error: Exception) -> None:
    raise error


def _raised(error: Exception) -> bool:
    with documented():
        _raise(error)
    return True


def test_only_documented_errors_pass() -> None:
    assert _raised(UsageError("This is said."))
    with pytest.raises(ValueError, match="other"):
        _raised(ValueError("other"))
    with pytest.raises(AssertionError):
        _raised(UsageError(""))


def test_new_lines_are_built_on() -> None:
    argv = next(parser for parser in PARSERS if parser.name == "argv")
    tally = attack(argv, [], count=800, guided=True)
    assert tally.lines > 100
    assert tally.reached
