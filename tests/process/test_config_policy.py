"""The administrator's ceiling lowers what is asked for, and never raises it."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s_extcap.edge.consent import bounded, ceiling
from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import METHODS, CaptureRequest, MethodName

POD, NODE = Name("pod", "shop", "web"), Name("node", name="n1")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def test_without_a_file_nothing_changes(policy: Path) -> None:
    request = CaptureRequest(POD, allow="nsenter")
    assert bounded(request, policy) is request


@pytest.mark.parametrize("limit", METHODS)
@pytest.mark.parametrize("asked", METHODS[:4])
def test_the_smaller_of_both_counts(policy: Path, limit: MethodName, asked: MethodName) -> None:
    policy.write_text(f'allow = "{limit}"\n')
    assert bounded(CaptureRequest(POD, allow=asked), policy).allow == min(limit, asked, key=METHODS.index)


@pytest.mark.parametrize("limit", METHODS)
@pytest.mark.parametrize("named", METHODS)
def test_a_method_that_was_named_above_it_is_refused(policy: Path, limit: MethodName, named: MethodName) -> None:
    policy.write_text(f'allow = "{limit}"\n')
    request = CaptureRequest(POD, method=named)
    if METHODS.index(named) > METHODS.index(limit):
        with pytest.raises(UsageError, match=f"{named} is not allowed on this machine") as caught:
            bounded(request, policy)
        assert str(policy) in caught.value.sentence
    else:
        assert bounded(request, policy).method == named


def test_a_node_is_a_helper_pod(policy: Path) -> None:
    policy.write_text('allow = "ephemeral"\n')
    with pytest.raises(UsageError, match="nsenter is not allowed"):
        bounded(CaptureRequest(NODE), policy)


@pytest.mark.parametrize("text", ["allow = 5", 'allow = "all"', "allow =", "\x00"])
def test_what_is_not_understood_allows_nothing(policy: Path, text: str) -> None:
    policy.write_text(text)
    with pytest.raises(ConfigError, match="administrator"):
        bounded(CaptureRequest(POD), policy)


def test_a_policy_about_something_else_sets_no_ceiling(policy: Path) -> None:
    policy.write_text("other = 1\n")
    assert ceiling(policy) is None
