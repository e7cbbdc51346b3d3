"""Selectors and continue tokens."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.demo import select
from testbed.demo.resources import NODES, PODS
from testbed.demo.status import ApiError


def _pod(name: str = "a", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app!=web", False),
        ("tier!=db", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("app", True),
        ("!app", False),
        ("app=web,tier", False),
        ("app=web,!tier", True),
    ],
)
def test_labels(selector: str, expected: bool) -> None:
    assert select.labels(selector)(_pod(app="web")) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("metadata.name=a", True), ("metadata.name!=a", False), ("status.phase=Running,metadata.name=b", False)],
)
def test_fields(selector: str, expected: bool) -> None:
    assert select.fields(PODS, selector)(_pod()) is expected


def test_a_field_that_a_type_does_not_have_is_refused() -> None:
    with pytest.raises(ApiError, match=r"field label not supported: status.phase"):
        select.fields(NODES, "status.phase=Running")


@pytest.mark.parametrize("key", [("shop", "web-1"), ("", "node-1")])
def test_token_round_trip(key: tuple[str, str]) -> None:
    assert select.read_token(select.make_token(17, key)) == (17, key)


@pytest.mark.parametrize("token", ["xx", "!!!!", "e30", "eyJ2IjoxfQ"])
def test_a_broken_token_is_a_bad_request(token: str) -> None:
    with pytest.raises(ApiError, match="invalid continue token") as caught:
        select.read_token(token)
    assert caught.value.code == 400
