"""The dialog's sentences before every real tshark: it understands them all, and hands on what -o sets."""

from __future__ import annotations

import pytest

from k8s_extcap.model import ids
from k8s_extcap.wireshark import argv
from k8s_extcap.wireshark.config import config
from k8s_extcap.wireshark.options import MARKER, shown
from k8s_extcap.wireshark.request import to_request
from testbed.wireshark.example import Example, Settings, listing
from testbed.wireshark.tshark import Tshark

NAME = "k8s-pod-shop.web-1"
KEY = "extcap.k8s_pod_shop_web_1"


@pytest.fixture
def tool(tshark: Tshark) -> Example:
    name = ids.parse(NAME)
    assert name
    installed = Example(tshark.desk)
    text = config(name, {}, "tshark")
    installed.install(Settings(interfaces=listing(NAME), config=text, packets=1, hold=False))
    return installed


def captured(tool: Example) -> dict[str, str]:
    return argv.parse(["--capture", *tool.captured()]).values


def test_every_sentence_is_understood(tshark: Tshark, tool: Example) -> None:
    done = tshark.run("-D")
    assert NAME in done.stdout
    assert "arg " not in done.stdout + done.stderr, "what the host cannot parse it prints"
    assert "nvalid" not in done.stdout + done.stderr
    assert tool.calls("--extcap-config")


def test_what_it_passes_by_itself_asks_for_the_defaults(tshark: Tshark, tool: Example) -> None:
    done = tshark.run("-i", NAME, "-c", "1")
    assert "1 packet captured" in done.stderr
    name = ids.parse(NAME)
    assert name
    assert to_request(name, captured(tool)) == to_request(name, {})


def test_every_option_can_be_set_by_preference(tshark: Tshark, tool: Example) -> None:
    said = {}
    for option in shown("pod", "tshark"):
        sample = {"number": "7", "switch": "true", "text": "some {words}", "file": "/dev/null"}
        said[option.call] = option.choices[-1][0] if option.choices else sample[option.kind]
    chosen = [word for o in shown("pod", "tshark") for word in ("-o", f"{KEY}.{o.preference}:{said[o.call]}")]
    done = tshark.run("-i", NAME, "-c", "1", *chosen)
    assert "1 packet captured" in done.stderr, done.stderr
    assert captured(tool) == said
    assert MARKER not in said


def test_nothing_is_left_to_warn_about(tshark: Tshark, tool: Example) -> None:
    tshark.run("-i", NAME, "-c", "1")
    tool.install(Settings(interfaces=listing("k8s-pod-shop.web-2")))
    assert "No such preference" not in tshark.run("-D").stderr
