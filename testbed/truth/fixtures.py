"""pytest fixtures: a link of our own, and the programs that run over it."""

from collections.abc import Iterator

import pytest

from testbed.truth.link import Link, link, why_not


@pytest.fixture
def truth_link() -> Iterator[Link]:
    """Two namespaces joined by a veth, for one test."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with link() as made:
        yield made
