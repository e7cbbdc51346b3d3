"""The remote-command protocol's texts and choices."""

from __future__ import annotations

import json

import pytest

from testbed.demo import channels


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("v5.channel.k8s.io,v4.channel.k8s.io", "v5.channel.k8s.io"),
        ("v4.channel.k8s.io, v5.channel.k8s.io", "v5.channel.k8s.io"),
        ("v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("v3.channel.k8s.io", None),
        ("nonsense", None),
        ("", ""),
    ],
)
def test_choice(offered: str, chosen: str | None) -> None:
    assert channels.choose(offered) == chosen


@pytest.mark.parametrize("protocol", [channels.V5, channels.V4])
def test_an_exit_code_is_a_cause(protocol: str) -> None:
    status = json.loads(channels.exited(protocol, ("sh", "-c", "a < b && exit 3"), 3))
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_go_escapes_what_html_could_mistake() -> None:
    assert b"\\u003c\\u003e\\u0026" in channels.exited(channels.V4, ("<>&",), 1)


def test_only_the_first_containerd_adds_its_error_code() -> None:
    old = json.loads(channels.not_started(channels.V5, "x", containerd_1=True))
    new = json.loads(channels.not_started(channels.V5, "x", containerd_1=False))
    assert (old["message"].endswith("x: unknown"), new["message"].endswith("x")) == (True, True)
    assert old["code"] == new["code"] == 500


def test_the_oldest_protocol_is_silent_about_success() -> None:
    assert channels.success("") == b""
    assert json.loads(channels.success(channels.V4)) == {"metadata": {}, "status": "Success"}
