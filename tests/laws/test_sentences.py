"""Whatever pods, contexts and containers are called, the host reads exactly the rows that we meant."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.model import ids
from k8s_extcap.wireshark import sentences
from tests.laws import strategies
from tests.laws.host_grammar import interfaces, read

HOSTILE = st.text(st.characters(), max_size=400)  # braces, line ends, surrogates, right-to-left marks


@given(st.lists(st.tuples(strategies.names(), HOSTILE), max_size=8))
def test_the_host_reads_one_row_per_interface(rows: list[tuple[ids.Name, str]]) -> None:
    values = [ids.render(name) for name, _ in rows]
    answer = sentences.extcap() + "".join(
        sentences.interface(v, display) for v, (_, display) in zip(values, rows, strict=True)
    )
    seen = interfaces(answer.encode("utf-8", "replace"))
    assert [value for value, _ in seen] == values
    for value, display in seen:
        assert re.fullmatch(r"[a-z0-9._-]+", value)
        assert len(value) <= 200
        assert not value.isdigit()
        assert len(display.encode()) <= 200
        assert display.isprintable()
        assert not set("{}") & set(display)


@given(HOSTILE)
def test_a_display_survives_where_the_grammar_can_carry_it(text: str) -> None:
    ((_, display),) = interfaces(sentences.interface("k8s-browse", text).encode())
    plain = " ".join(text.split())
    if plain.isprintable() and not set("{}") & set(plain) and len(plain.encode()) <= 200:
        assert display == plain


def test_the_first_sentence_introduces_us() -> None:
    (only,) = read(sentences.extcap().encode())
    assert only.keyword == "extcap"
    assert only.attributes["display"] == "Kubernetes"
    assert "help" not in only.attributes  # a Help button must lead somewhere, and there is no public page yet


def test_link_types_have_all_three_attributes() -> None:
    (only,) = read(sentences.DLTS.encode())
    assert (only.keyword, sorted(only.attributes)) == ("dlt", ["display", "name", "number"])
