"""What Wireshark passes: recorded from 4.0, 4.4 and 4.6."""

from __future__ import annotations

import pytest

from k8s_extcap.wireshark import argv

WEB = "k8s-pod-shop.web"


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["--extcap-interfaces", "--extcap-version=4.0"], "interfaces"),
        (["--extcap-interfaces"], "interfaces"),
        (["--extcap-config", "--extcap-interface", WEB], "config"),
        (["--extcap-config", "--extcap-interface", WEB, "--extcap-reload-option", "nic"], "reload"),
        (["--extcap-dlts", "--extcap-interface", WEB], "dlts"),
        (["--extcap-capture-filter", "tcp", "--extcap-interface", WEB], "filter"),
        (["--extcap-capture-filter=tcp", "--extcap-interface", WEB], "filter"),
        (["--capture", "--extcap-interface", WEB, "--fifo", "/f", "--extcap-capture-filter", "tcp"], "capture"),
        (["--extcap-cleanup-postkill"], "cleanup"),
        (["--refresh"], "refresh"),
        (["--version"], "version"),
        (["capture", "shop/web"], ""),
        ([], ""),
    ],
)
def test_the_action(words: list[str], action: str) -> None:
    assert argv.parse(words).action == action


def test_a_capture() -> None:
    words = (
        f"--capture --extcap-interface {WEB} --extcap-control-in /i --extcap-control-out /o --nic eth0 --promiscuous"
    )
    more = "--snaplen=96 --add-who true --comment a=b stray"
    call = argv.parse([*words.split(), *more.split(), "--fifo", "/tmp/f f", "--extcap-capture-filter", "-- tcp"])
    assert (call.interface, call.fifo, call.filter) == (WEB, "/tmp/f f", "-- tcp")
    assert (call.control_in, call.control_out) == ("/i", "/o")
    assert call.values == {"nic": "eth0", "promiscuous": "true", "snaplen": "96", "add-who": "true", "comment": "a=b"}
    assert call.rest == ["stray"]


def test_a_value_may_begin_with_dashes_where_it_is_known_to_be_one() -> None:
    words = ["--comment", "--help", "--nic", "lo"]
    assert argv.parse(words, frozenset({"comment"})).values == {"comment": "--help", "nic": "lo"}
    assert argv.parse(words).values == {"comment": "true", "help": "true", "nic": "lo"}


def test_a_missing_value_is_empty() -> None:
    assert argv.parse(["--capture", "--fifo"]).fifo == ""


def test_refresh_may_name_a_context() -> None:
    assert argv.parse(["--refresh", "prod"]).context == "prod"
    assert argv.parse(["--refresh"]).context == ""
