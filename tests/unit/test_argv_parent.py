"""Which of our interfaces the host's command line can mean. The same table runs against real tsharks in
tests/process/test_list_tshark.py; here are also the lines that no test could wait for.
"""

from __future__ import annotations

import pytest

from k8s_extcap.wireshark import parent

A, B = "k8s-pod-shop.web-1", "k8s-pod-shop.db-0"
ALL = None  # everything is listed


def native(word: str) -> bool:
    return word in ("lo", "eth0", "any", "-") or word.startswith("/")


def read(*words: str, program: str = "tshark") -> parent.Parent:
    return parent.read([program, *words], native)


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["-i", A], [A]),
        ([f"-i{A}"], [A]),
        ([f"-qni{A}"], [A]),
        (["-qni", A], [A]),
        ([f"--interface={A}"], [A]),
        (["--interface", A], [A]),
        (["--interf", A], [A]),
        ([f"--i={A}"], [A]),
        ([f"--source={A}"], [A]),
        (["-i", A.upper()], [A]),
        (["-i", A, "-i", B], [A, B]),
        (["-i", A, "-i", A], [A]),
        (["-i", "lo"], []),
        (["-i", "lo", "-i", "-", "-i", "/tmp/fifo"], []),
        (["-i", "lo", "-i", A], [A]),
        (["-f", "tcp", "-i", A, "-c", "3"], [A]),
        (["-f", "-i", A], ALL),  # the filter is `-i`, A an operand
        (["-f", f"-i{A}", "-i", B], [B]),
        (["-i", A, "--", "-i", B], [A]),
        (["-i", A, "tcp", "-i", B], [A]),  # tshark stops at its first operand
        (["-i", A, "-o", "extcap.k8s_pod_shop_web_1.nic:lo"], [A]),
        (["-i", A, "-o", "extcap.k8s_pod_shop_db_0.nic:lo"], [A, B]),
        (["-i", A, "-o", "extcap.sshdump.remotehost:x"], [A]),
        (["-i", A, "-o", "tcp.port:80"], [A]),
        (["-i", A, "--log-level=debug"], [A]),
        (["-i", A, "-Q", "-l", "-w", "-D"], [A]),  # -D is the file's name
        (["-D"], ALL),
        (["-i", A, "-D"], ALL),
        (["-L", "-i", A], ALL),
        (["--list-interfaces"], ALL),
        (["--list-sources"], ALL),
        (["-i", "1"], ALL),
        (["-i", "15"], ALL),
        (["-i", "web-1, shop, running"], ALL),
        (["-i", "k8s-pod-typo"], ALL),
        (["-i", "somebody-elses"], ALL),
        (["-c", "1"], ALL),
        ([], ALL),
        (["-i"], ALL),
        (["--interface"], ALL),
        (["-i", A, "--no-such-option"], ALL),
        (["-i", A, "--log", "x"], [A]),  # ambiguous, but each of them takes an argument
        (["--l", "-i", A], ALL),  # link type with, list without: what follows is unclear
        (["-i", A, "-@"], ALL),
        (["-r", "file.pcap"], ALL),
    ],
)
def test_tshark(words: list[str], listed: list[str] | None) -> None:
    found = read(*words)
    assert found.kind == "tshark"
    assert found.only == (listed is not ALL)
    if listed is not ALL:
        assert list(found.named) == listed


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["-k", "-i", A], [A]),
        (["-k", "-i", A, "-o", "extcap.k8s_pod_shop_web_1.nic:lo"], [A]),
        (["file.pcap", "-i", A], [A]),  # Wireshark goes on behind an operand
        (["-H", "-i", A], [A]),  # which takes an argument in tshark only
        ([], []),
        (["-k", "-i", "lo"], []),
    ],
)
def test_wireshark_lists_everything_and_what_it_names(words: list[str], named: list[str]) -> None:
    found = read(*words, program="/usr/bin/wireshark")
    assert (found.kind, found.only, list(found.named)) == ("gui", False, named)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("tshark", "tshark"),
        ("/opt/wireshark-4.6/bin/tshark", "tshark"),
        ("tshark-4.6", "tshark"),
        ("tshark.exe", "tshark"),
        ("lt-tshark", "tshark"),
        ("wireshark", "gui"),
        ("/Applications/Wireshark.app/Contents/MacOS/Wireshark", "gui"),
        ("wireshark-qt", "gui"),
        ("sharkd", ""),
        ("python3", ""),
        ("", ""),
    ],
)
def test_who_asks(program: str, kind: str) -> None:
    assert parent.kind_of(program) == kind


def test_nobody_known_gets_everything() -> None:
    for command in ([], ["python3", "-i", A], ["bash"]):
        found = parent.read(command, native)
        assert (found.kind, found.only, found.dialog("4.4")) == ("", False, "gui")


def test_options_on_the_command_line_need_options_that_are_stored() -> None:
    assert read("-i", A).dialog("4.4") == "tshark"
    assert read("-k", program="wireshark").dialog("4.4") == "gui"
    preference = ("-o", "extcap.k8s_pod_shop_web_1.nic:lo")
    assert read("-k", "-i", A, *preference, program="wireshark").dialog("4.4") == "tshark"


@pytest.mark.parametrize(
    ("version", "dialog"),
    [("", "gui"), ("4.0", "gui"), ("4.2", "tshark"), ("4.4", "gui"), ("4.6", "gui"), ("4.20", "gui"), ("14.2", "gui")],
)
def test_a_window_that_would_die_of_our_options_keeps_them_itself(version: str, dialog: str) -> None:
    assert read("-k", program="wireshark").dialog(version) == dialog


def test_a_cluster_is_asked_only_for_somebody_who_wants_to_see_it() -> None:
    assert not read("-i", "lo").wants_fresh
    assert not read().wants_fresh
    assert read("-D").wants_fresh
    assert read("-i", A).wants_fresh
    assert read(program="wireshark").wants_fresh
    assert parent.read([], native).wants_fresh, "a system that does not tell who asks"
    assert not parent.read(["python3", "-i", A], native).wants_fresh


@pytest.mark.parametrize(
    "name",
    [A, B, "k8s-container-shop.web.app", "k8s-ns-shop", "k8s-node-n1", "k8s-browse", "k8s-pod-shop._0123456789abcdef"],
)
def test_a_preference_key_makes_a_name_that_has_it(name: str) -> None:
    key = parent.preference_key(name)
    found = read("-i", "lo", "-o", f"extcap.{key}.nic:lo")
    assert [parent.preference_key(listed) for listed in found.named] == [key]
