"""Red only for what no continuation can make valid: libpcap's own verdicts are the oracle (test_filter_libpcap.py asks
it again), here every keystroke on the way to 500 filters it accepts, and 50 it does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s_extcap.wireshark.filter import LIMIT, check

GOLDEN = Path(__file__).parents[1] / "golden/options"
ACCEPTED = (GOLDEN / "filters.txt").read_text().splitlines()
WRONG = [line.split("\t") for line in (GOLDEN / "wrong-filters.txt").read_text().splitlines()]


def test_the_golden_file_is_whole() -> None:
    assert len(set(ACCEPTED)) == 500
    assert len({text for _, text in WRONG}) == 50


@pytest.mark.parametrize("part", range(10))
def test_no_keystroke_on_the_way_to_a_valid_filter_is_red(part: int) -> None:
    red = [
        (text[:end], check(text[:end]))
        for text in ACCEPTED[part::10]
        for end in range(len(text) + 1)
        if check(text[:end])
    ]
    assert red == []


@pytest.mark.parametrize(("colour", "text"), WRONG)
def test_wrong_filters_have_their_colour(colour: str, text: str) -> None:
    assert bool(check(text)) == (colour == "red"), check(text)


def test_the_sentence_names_what_is_wrong_and_what_would_do() -> None:
    assert check("tcp port 80 http ") == 'After "tcp port 80" "http" cannot stand; expected: and, or.'
    assert check("TCP port 80") == '"TCP": words of a filter are in lower case.'
    assert check("host 10.0.0.1)") == 'After "host 10.0.0.1" ")" cannot stand; expected: and, or.'
    assert check("port 70000 ") == "70000 is no port: ports end at 65535."
    assert check("tcp ?") == '"?" is not understood in a filter.'


def test_a_filter_nobody_typed_is_left_to_the_far_side() -> None:
    assert check(") " * LIMIT) == ""
    assert check("tcp and " * 200)[:5] == ""


def test_depth_costs_no_more_than_length() -> None:
    assert check("(" * 900 + "tcp" + ")" * 900) == ""
