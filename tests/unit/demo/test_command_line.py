"""`python -m testbed.demo` as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.demo

SOURCE = Path(__file__).resolve().parents[3]
RUN = [sys.executable, "-m", "testbed.demo"]


def test_one_line_when_ready_and_an_end_with_stdin(tmp_path: Path) -> None:
    config = tmp_path / "with space" / "kubeconfig"
    config.parent.mkdir()
    with subprocess.Popen(
        [*RUN, "--kubeconfig", str(config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SOURCE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == f"KUBECONFIG={config}\n"
        assert oct(config.stat().st_mode)[-3:] == "600"
        contexts = [entry["name"] for entry in json.loads(config.read_text())["contexts"]]
        assert contexts[:3] == ["demo", "demo-dev", "demo-nolist"]
        server.stdin.close()
        assert server.wait(20) == 0
        assert server.stdout.read() == ""


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--scale", "many"], "many is not PODSxNAMESPACES"),
        (["--mode", "magic"], "invalid"),
        (["--kubeconfig", "/proc/none/kubeconfig"], "/proc/none/kubeconfig"),
    ],
)
def test_what_cannot_be_is_said(argv: list[str], sentence: str) -> None:
    done = subprocess.run([*RUN, *argv], capture_output=True, text=True, cwd=SOURCE, check=False, timeout=60)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_a_mode_that_is_refused_names_the_reason() -> None:
    # Without `unshare` in PATH neither kind of namespace can be made.
    env = {"PATH": "/nonexistent", "HOME": "/"}
    done = subprocess.run(
        [*RUN, "--mode", "root"], capture_output=True, text=True, cwd=SOURCE, check=False, timeout=60, env=env
    )
    assert done.returncode == 1
    assert "cannot run in mode root here: " in done.stderr
    assert "Traceback" not in done.stderr
