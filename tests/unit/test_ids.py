from __future__ import annotations

import pytest

from k8s_extcap.model import ids
from k8s_extcap.model.ids import Name

TABLE = [
    ("k8s-pod-shop.web-1", Name("pod", "shop", "web-1")),
    ("k8s-pod-a.b-c.d", Name("pod", "a", "b-c.d")),
    ("k8s-container-a.b.c.d", Name("container", "a", "b.c", "d")),
    ("k8s-ns-shop", Name("ns", "shop")),
    ("k8s-node-n1.example.org", Name("node", name="n1.example.org")),
    ("k8s-browse", Name("browse")),
    ("k8s-pod-prod-eu_shop.web", Name("pod", "shop", "web", alias="prod-eu")),
    ("k8s-pod-shop._0123456789abcdef", Name("pod", "shop", digest="0123456789abcdef")),
    ("k8s-pod-prod_shop._0123456789abcdef", Name("pod", "shop", alias="prod", digest="0123456789abcdef")),
]


@pytest.mark.parametrize(("text", "name"), TABLE)
def test_both_ways(text: str, name: Name) -> None:
    assert ids.parse(text) == name
    assert ids.render(name) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lo",
        "k8s-",
        "k8s-pod",
        "k8s-pod-",
        "k8s-pod-shop",
        "k8s-pod-.web",
        "k8s-pod-shop.",
        "k8s-thing-a.b",
        "k8s-container-a.b",
        "k8s-ns-a.b",
        "k8s-pod-a.b c",
        "k8s-pod-a.b/c",
        "k8s-pod-a_b_c.d",
        "k8s-pod-shop._0123",
        "k8s-pod-shop._0123456789abcdeg",
        "k8s-browse-x",
        "k8s-broken",
        "k8s-pod-a." + "b" * 200,
    ],
)
def test_not_ours(text: str) -> None:
    assert ids.parse(text) is None


def test_names_that_share_a_preference_key_are_told_apart() -> None:
    assert ids.parse("k8s-pod-a.b-c") != ids.parse("k8s-pod-a-b.c")


def test_contexts_that_look_alike_have_aliases_of_their_own() -> None:
    twins = ["prod/eu", "prod-eu", "PROD:eu", "arn:aws:eks:eu-west-1:123456789012:cluster/prod-eu"]
    assert len({ids.alias_of(context) for context in twins}) == len(twins)
