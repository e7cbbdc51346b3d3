"""The fixture `side`: every contract test runs on the demo cluster and on a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.contract.side import Side, of_demo, of_real


@pytest.fixture(
    scope="session",
    params=[pytest.param("demo", marks=pytest.mark.demo), pytest.param("real", marks=pytest.mark.cluster)],
)
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """Each contract test runs once on each."""
    if request.param == "demo":
        yield from of_demo(request.getfixturevalue("demo"))
    else:
        yield from of_real(request.getfixturevalue("cluster"))
