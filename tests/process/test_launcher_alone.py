"""A tshark that has nothing to do with us starts no Python of ours; every other one does."""

from __future__ import annotations

import pytest

from k8s_extcap.setup import launcher
from testbed.wireshark.tshark import Tshark

pytestmark = pytest.mark.tshark

# What stands for our program: it notes that it was called, and lists one interface.
PYTHON = """#!/bin/sh
echo "$@" >>{calls}
case "$*" in
    *--extcap-interfaces*) printf '%s\\n' 'extcap {{version=1}}' 'interface {{value=k8s-pod-a.b}}{{display=b}}' ;;
    *--extcap-dlts*) echo 'dlt {{number=1}}{{name=EN10MB}}{{display=E}}' ;;
esac
"""

SHORT = ("-a", "duration:0.2", "-w", "/dev/null")


def calls(tshark: Tshark, *words: str) -> list[str]:
    """What of ours was called while that tshark ran."""
    noted = tshark.desk.write("calls", "")
    python = tshark.desk.write("python", PYTHON.format(calls=noted), mode=0o755)
    tshark.desk.install(launcher.render(str(python), str(python), {}))
    tshark.run(*words, timeout=60)  # whether this user may capture does not matter: the list comes first
    return noted.read_text().splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("-i", "lo", *SHORT),
        ("-n", "-q", "-i", "lo", *SHORT),
        ("-i", "lo", "-f", "udp port 9 or -i k8s-pod-a.b", "-c", "1", *SHORT),
    ],
)
def test_a_capture_from_this_machine_starts_nothing(tshark_native: Tshark, words: tuple[str, ...]) -> None:
    assert calls(tshark_native, *words) == []


@pytest.mark.parametrize(
    "words",
    [
        ("-D",),
        ("-i", "k8s-pod-a.b", *SHORT),
        ("-i", "lo", "-i", "k8s-pod-a.b", *SHORT),
        ("-ik8s-pod-a.b", *SHORT),
        ("-i", "lo", "-o", "extcap.k8s_pod_a_b.filter:x", *SHORT),
        ("-i", "lo", "--interface=k8s-pod-a.b", *SHORT),
        ("-i", "../class", *SHORT),
        ("-i", "no-such-interface", *SHORT),
        ("-i", "lo", "-w", "", "-i", "k8s-pod-a.b"),
    ],
)
def test_all_else_is_asked(tshark_native: Tshark, words: tuple[str, ...]) -> None:
    assert any("--extcap-interfaces" in call for call in calls(tshark_native, *words))


def test_the_answer_is_the_programs_own(tshark: Tshark) -> None:
    """In every version it is a list without rows: no complaint, and the capture is not held up."""
    noted = calls(tshark, "-i", "lo", *SHORT)
    assert noted == []
    assert "extcap" not in tshark.run("-i", "lo", *SHORT).stderr
