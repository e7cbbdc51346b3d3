"""Whatever is typed or pasted into the filter box, it gets an answer: a short line or none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from k8s_extcap.wireshark.filter import check
from k8s_extcap.wireshark.lexer import KEYWORDS, OPERATORS

PIECES = st.one_of(
    st.sampled_from([*KEYWORDS, *OPERATORS, " ", "\t", "\\", "$", "::", "1.2.3.4", "aa:bb:", "0x", "80", "-", "."]),
    st.text(max_size=4),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_never_raises_and_answers_in_one_printable_line(text: str) -> None:
    answer = check(text)
    assert len(answer) < 400
    assert answer.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=3))
def test_red_stays_red_whatever_is_typed_behind(text: str, more: str) -> None:
    if check(text):
        assert check(text + more)
