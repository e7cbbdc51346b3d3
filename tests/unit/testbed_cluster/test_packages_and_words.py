"""The distribution's packages, and the words of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cluster import gomodule, packages
from testbed.cluster.__main__ import arguments
from testbed.cluster.errors import BedError
from testbed.cluster.state import Wanted


def test_missing_names_packages_once_and_sorted() -> None:
    programs = {"no-such-program": "zeta", "nor-this": "alpha", "sh": "dash"}
    files = {"/no/such/file": "alpha", "/etc/passwd": "base-passwd"}
    assert packages.missing(programs, files) == ("alpha", "zeta")


def test_nothing_to_install_installs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, called = tmp_path / "apt-get", tmp_path / "called"
    program.write_text(f"#!/bin/sh\n: >{called}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    packages.install(())
    assert not called.exists()


def test_without_apt_the_names_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BedError, match="needed and not found: nftables runc"):
        packages.install(("nftables", "runc"))


def fake_apt(folder: Path, rows: str) -> str:
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{rows}\nE\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("rows", "mirror"),
    [
        ("http://m/debian-security/ Debian Debian-Security\nhttp://m/debian/ Debian Debian", "http://m/debian"),
        ("http://u/ubuntu/ Ubuntu Ubuntu", packages.MIRROR),
        ("https://x/tools/ Other Tools\nhttp://m/debian/", "http://m/debian"),
        ("", packages.MIRROR),
    ],
)
def test_the_mirror_is_the_machines_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: str, mirror: str
) -> None:
    monkeypatch.delenv("K8S_EXTCAP_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", fake_apt(tmp_path, rows))
    assert packages.debian_mirror() == mirror
    monkeypatch.setenv("K8S_EXTCAP_DEBIAN_MIRROR", "http://named/debian")
    assert packages.debian_mirror() == "http://named/debian"


def fake_go(folder: Path, version: str) -> str:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_go_that_is_new_enough_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", fake_go(tmp_path, "go1.27.1"))
    assert gomodule.go(tmp_path / "none")["PATH"].startswith(str(tmp_path) + ":")


def test_an_old_go_is_passed_over_for_the_unpacked_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", fake_go(tmp_path, "go1.19.8"))
    (tmp_path / "root/go/bin").mkdir(parents=True)
    (tmp_path / "root/go/bin/go").write_text("")
    env = gomodule.go(tmp_path / "root")
    assert env["GOROOT"] == str(tmp_path / "root/go")
    assert env["PATH"].startswith(f"{tmp_path}/root/go/bin:")


def test_what_is_built_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in gomodule.COMMANDS:
        (tmp_path / "bin" / "1.36.3").mkdir(parents=True, exist_ok=True)
        (tmp_path / "bin" / "1.36.3" / command).write_text("")
    monkeypatch.setenv("PATH", "")
    gomodule.kubernetes(tmp_path, "1.36.3")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bin"], "no module was made, no Go looked for"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["up"], ("1.36.3", None, 2, False, False)),
        (["up", "--kubernetes", "1.30.4", "--nodes", "1"], ("1.30.4", None, 1, False, False)),
        (["up", "--node2", "1.33.13", "--dns", "--bare"], ("1.36.3", "1.33.13", 2, True, True)),
    ],
)
def test_words(words: list[str], expected: tuple[object, ...]) -> None:
    options = arguments(words)
    assert (options.kubernetes, options.node2, options.nodes, options.dns, options.bare) == expected


@pytest.mark.parametrize(
    "words",
    [[], ["up", "--kubernetes", "latest"], ["up", "--kubernetes", "1.36.3; rm"], ["--bed", "20", "down"],
     ["--bed", "-1", "down"], ["up", "--nodes", "3"]],
)  # fmt: skip
def test_wrong_words(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        arguments(words)
    assert stopped.value.code == 2


def refusal(wanted: Wanted) -> str:
    try:
        wanted.check()
    except BedError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("node2", ["", "1.36.3", "1.36.1", "1.33.13"])
def test_a_kubelet_within_the_skew(node2: str) -> None:
    assert refusal(Wanted("1.36.3", node2)) == ""


@pytest.mark.parametrize(("kubernetes", "node2"), [("1.36.3", "1.32.13"), ("1.36.3", "1.30.4"), ("1.33.13", "1.36.3")])
def test_a_kubelet_out_of_the_skew(kubernetes: str, node2: str) -> None:
    assert "--node2" in refusal(Wanted(kubernetes, node2))


def test_a_refusal_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    """As an ordinary user, or without an `unshare`: status 1 and what to do."""
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "testbed.cluster", "up"]
    done = subprocess.run(argv, env=env, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("testbed: ")
    assert len(done.stderr.splitlines()) == 1
