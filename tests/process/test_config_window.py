"""Options that the window must not save would end Wireshark 4.2; which version asks is told by the list call only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_extcap.wireshark.options import MARKER

OURS = [sys.executable, str(Path(__file__).resolve().parents[2] / "k8s_extcap/__main__.py")]
# A shell under the window's name: one process starts us for both, and what tells it from others is the same.
WINDOW = """
"$@" --extcap-interfaces --extcap-version="$VERSION" &&
"$@" --extcap-interface k8s-pod-shop.web --extcap-config; exit
"""


def dialog(home: Path, version: str) -> str:
    """The config sentences of a pod, asked for by a window of that version after its list."""
    done = subprocess.run(
        ["wireshark", "-c", WINDOW, "sh", *OURS],
        executable="/bin/sh",
        env={"PATH": os.environ["PATH"], "HOME": str(home), "K8S_EXTCAP_HOME": str(home / "ours"), "VERSION": version},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout[done.stdout.index("arg {") :]


@pytest.mark.parametrize("version", ["4.0", "4.4", "4.6"])
def test_we_remember_the_options_of_a_window(tmp_path: Path, version: str) -> None:
    lines = [line for line in dialog(tmp_path, version).splitlines() if line.startswith("arg ")]
    assert all(line.endswith("{save=false}") for line in lines)
    assert any(f"{{call=--{MARKER}}}" in line for line in lines)


def test_a_window_of_4_2_keeps_them_itself(tmp_path: Path) -> None:
    text = dialog(tmp_path, "4.2")
    assert "{call=--filter}" in text or "{call=--snaplen}" in text
    assert "save=false" not in text
    assert f"{{call=--{MARKER}}}" not in text, "nobody would heed it"
    assert "save=false" in dialog(tmp_path, "4.4"), "another window, another version"
