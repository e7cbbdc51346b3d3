"""What Wireshark 4.0, 4.4 and 4.6 do to options, as rules that the table keeps."""

from __future__ import annotations

import pytest

from k8s_extcap.wireshark.option import KEEPS, TYPES, UNCHOSEN, Option, unset
from k8s_extcap.wireshark.options import BY_CALL, GROUPS, MARKER, OPTIONS, find, shown

KINDS = ("browse", "pod", "container", "deploy", "sts", "ds", "job", "svc", "ns", "node")
# Types of Wireshark 4.0; `editselector` and `table` came later.
TYPES_OF_4_0 = set(
    (
        "integer unsigned long double boolean boolflag string password selector radio multicheck fileselect timestamp"
    ).split()
)

each = pytest.mark.parametrize("option", OPTIONS, ids=[option.call for option in OPTIONS])


@each
def test_a_call_survives_as_preference_and_as_flag(option: Option) -> None:
    assert option.flag == option.flag.lower(), "an upper-case letter aborts Wireshark at start"
    assert set(option.call) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert option.call[0].isalpha()
    assert not option.call.startswith("extcap"), "the host's own arguments"
    assert option.preference
    assert "-" not in option.preference


@each
def test_the_type_is_one_that_every_host_knows_and_passes_when_it_was_changed(option: Option) -> None:
    assert TYPES[option.kind] in TYPES_OF_4_0 - {"boolflag", "multicheck", "timestamp", "password", "radio"}


@each
def test_its_default_is_one_of_its_values(option: Option) -> None:
    if option.choices:
        assert option.default in [value for value, _ in option.choices]
    if option.kind == "switch":
        assert option.default == "false"
    if option.kind == "number":
        low, _, high = option.range.partition(",")
        assert int(low) <= int(option.default) <= int(high)


@each
def test_its_words_can_be_printed(option: Option) -> None:
    for text in (option.display, option.tooltip, option.placeholder, *[d for _, d in option.choices]):
        assert not set(text) & set("{}\n\t")
    assert option.tooltip
    assert option.group in GROUPS
    assert option.keep in KEEPS


def test_numbers_calls_and_preferences_tell_them_apart() -> None:
    assert len(BY_CALL) == len(OPTIONS) == len({o.number for o in OPTIONS}) == len({o.preference for o in OPTIONS})


@pytest.mark.parametrize("kind", KINDS)
def test_every_dialog_has_the_selector_that_tells_whether_it_was_applied(kind: str) -> None:
    assert [o.call for o in shown(kind, "gui")].count(MARKER) == 1
    assert TYPES[BY_CALL[MARKER].kind] == "selector"
    assert MARKER not in [o.call for o in shown(kind, "tshark")], "tshark remembers nothing"


def test_only_browse_chooses_a_target() -> None:
    target = {"target", "context", "namespace", "kind", "name"}
    assert target <= {o.call for o in shown("browse", "gui")}
    for kind in KINDS[1:]:
        assert not target & {o.call for o in shown(kind, "gui")}


def test_consent_is_kept_apart() -> None:
    assert {o.call for o in OPTIONS if o.keep == "consent"} == {
        "method", "allow", "helper-image", "privileged", "service-labels"
    }  # fmt: skip


@pytest.mark.parametrize("written", ["--limit-bytes", "limit-bytes", "limitbytes"])
def test_found_however_the_host_writes_it(written: str) -> None:
    assert find(written) is BY_CALL["limit-bytes"]


def test_not_found() -> None:
    assert find("limit") is None


@pytest.mark.parametrize(
    ("call", "value", "expected"),
    [
        ("comment", "", True),
        ("comment", " ", True),
        ("comment", "none", True),
        ("comment", "None", True),
        ("comment", "nothing", False),
        ("tolerations", "none", False),
        ("nic", UNCHOSEN, True),
        ("comment", UNCHOSEN, False),
        ("nic", "eth0", False),
    ],
)
def test_what_counts_as_not_chosen(call: str, value: str, expected: bool) -> None:
    assert unset(BY_CALL[call], value) is expected
