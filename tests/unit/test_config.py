"""The dialog's sentences, read back by the host's own grammar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap import entry
from k8s_extcap.model import ids
from k8s_extcap.wireshark import argv
from k8s_extcap.wireshark.config import FEW, MANY, clean, config, values
from k8s_extcap.wireshark.option import UNCHOSEN
from k8s_extcap.wireshark.options import BY_CALL, OPTIONS, shown

# extcap_parser.c: a value ends at the first brace that a brace, white space or the line's end follows.
_GROUP = re.compile(r"\{([^=}]+)=(.*?)\}(?=\{|\s|$)")


def read(text: str) -> list[tuple[str, dict[str, str]]]:
    lines = []
    for line in text.split("\n"):
        if line:
            kind, _, rest = line.partition(" ")
            assert kind in ("arg", "value")
            groups = _GROUP.findall(rest)
            assert "".join(f"{{{k}={v}}}" for k, v in groups) == rest
            lines.append((kind, dict(groups)))
    return lines


def arguments(text: str) -> dict[str, dict[str, str]]:
    return {a["call"].removeprefix("--"): a for kind, a in read(text) if kind == "arg"}


def selected(text: str, call: str) -> list[str]:
    number = str(BY_CALL[call].number)
    return [
        a["value"] for kind, a in read(text) if kind == "value" and a["arg"] == number and a.get("default") == "true"
    ]


def name(text: str) -> ids.Name:
    found = ids.parse(text)
    assert found
    return found


BROWSE, POD = name("k8s-browse"), name("k8s-pod-shop.web-1")


@pytest.mark.parametrize("parent", ["gui", "tshark"])
@pytest.mark.parametrize("kind", ["browse", "pod-a.b", "container-a.b.c", "node-n1", "ns-a", "svc-a.b"])
def test_each_option_once_with_what_is_mandatory(kind: str, parent: str) -> None:
    target = name(f"k8s-{kind}")
    found = arguments(config(target, {}, parent))
    assert list(found) == [o.call for o in shown(target.kind, parent)]
    for argument in found.values():
        assert {"number", "call", "display", "type", "tooltip", "group"} <= set(argument)
        assert "required" not in argument
        assert "validation" not in argument
        assert argument["type"] not in ("boolflag", "editselector", "multicheck")


def test_save_is_off_under_a_window_and_untouched_under_tshark() -> None:
    assert {a["save"] for a in arguments(config(POD, {}, "gui")).values()} == {"false"}
    assert not [a for a in arguments(config(POD, {}, "tshark")).values() if "save" in a]


def test_what_is_none_of_ours_has_no_options() -> None:
    assert entry._config(argv.parse(["--extcap-config", "--extcap-interface", "eth0"])) == ""


def test_a_selectors_default_stands_on_its_value() -> None:
    text = config(BROWSE, {}, "gui")
    for option in OPTIONS:
        if option.choices:
            assert "default" not in arguments(text)[option.call]
            assert selected(text, option.call) == [option.default]


def test_what_is_remembered_is_the_next_default_under_a_window_only() -> None:
    stored = {"nic": "net7", "method": "upload", "limit-packets": "5", "promiscuous": "true", "comment": "a b"}
    text = config(POD, stored, "gui")
    assert selected(text, "nic") == ["net7"], "offered although no list has it"
    assert selected(text, "method") == ["upload"]
    found = arguments(text)
    assert [found[c]["default"] for c in ("limit-packets", "promiscuous", "comment")] == ["5", "true", "a b"]
    assert config(POD, stored, "tshark") == config(POD, {}, "tshark")


@given(st.text(), st.text())
def test_any_remembered_text_keeps_the_grammar(one: str, other: str) -> None:
    text = config(POD, {"comment": one, "nic": other}, "gui")
    text.encode("utf-8")
    found = arguments(text)
    assert list(found) == [o.call for o in shown("pod", "gui")]
    assert found["comment"].get("default", "") == clean(one)


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 5000])
@pytest.mark.parametrize("limit", [FEW, MANY])
def test_a_long_list_is_cut_and_counted(count: int, limit: int) -> None:
    pairs = [(f"p{i}", f"Pod {i}") for i in range(count)]
    lines = values(BY_CALL["name"], pairs, "p0", limit)
    assert len(lines) == min(count, limit + 1)
    if count > limit:
        assert read(lines[-1])[0][1] == {
            "arg": str(BY_CALL["name"].number),
            "value": UNCHOSEN,
            "display": f"{count - limit} more: narrow the namespace",
        }


def test_what_is_chosen_is_kept_when_the_list_is_cut() -> None:
    pairs = [(f"p{i}", "") for i in range(3000)]
    assert sum("{default=true}" in line for line in values(BY_CALL["name"], pairs, "p2999", MANY)) == 1


def test_what_was_not_fetched_is_counted_too() -> None:
    assert "{display=41 more: narrow the namespace}" in values(BY_CALL["name"], [("a", "a")], "a", MANY, 41)[-1]


def test_few_enough_without_reload() -> None:
    lines = read(config(BROWSE, {}, "gui"))
    for option in OPTIONS:
        assert sum(kind == "value" and a["arg"] == str(option.number) for kind, a in lines) <= FEW
