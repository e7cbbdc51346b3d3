"""Interface names and identities: one each, both ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.model import ids
from k8s_extcap.model.ids import Name
from tests.laws import strategies


@given(strategies.names())
def test_a_name_comes_back(name: Name) -> None:
    text = ids.render(name)
    back = ids.parse(text)
    assert back is not None
    if back.digest:
        assert (back.kind, back.namespace, back.alias) == (name.kind, name.namespace, name.alias)
        assert back.digest == ids.identity_digest(name.kind, name.namespace, name.name, name.container)
    else:
        assert back == name
    assert ids.render(back) == text


@given(strategies.names(), strategies.names())
def test_two_identities_never_share_a_name(one: Name, other: Name) -> None:
    assert (one == other) == (ids.render(one) == ids.render(other))


@given(strategies.names())
def test_the_host_may_change_the_case(name: Name) -> None:
    assert ids.parse(ids.render(name).upper()) == ids.parse(ids.render(name))


def spoilt(name: Name, at: int, piece: str) -> str:
    text = ids.render(name)
    return text[:at] + piece + text[at:]


# Names, and what nearly is one: any other text hardly ever is.
NEARLY = st.builds(spoilt, strategies.names(), st.integers(0, 100), st.sampled_from(["", "A", "-", ".", "_", "é"]))


@given(st.text(max_size=300) | NEARLY)
def test_any_text_is_a_name_or_none(text: str) -> None:
    name = ids.parse(text)
    assert name is None or ids.render(name) == text.lower()


@given(st.text(min_size=1, max_size=300))
def test_an_alias_is_a_part_of_a_name(context: str) -> None:
    alias = ids.alias_of(context)
    assert ids.parse(f"k8s-pod-{alias}_shop.web") == Name("pod", "shop", "web", alias=alias)
