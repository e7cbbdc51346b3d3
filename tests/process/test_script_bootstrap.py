"""`script/bootstrap` on checkouts that depend on nothing, so that no test needs a network."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from script import environment

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


class Checkout:
    """A copy of the scripts with its own list of dependencies and its own cache."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a 'check' \"out\" $HOME"  # hostile to every unquoted expansion
        self.cache = folder / "cache"
        (self.root / "script").mkdir(parents=True)
        for name in ("bootstrap", "environment.py", "packages"):
            target = self.root / "script" / name
            target.write_bytes((ROOT / "script" / name).read_bytes())
            target.chmod(0o755)
        (self.root / "script" / "packages").write_text("run python python3-venv none\n")
        self.depend_on("pip")  # every environment has it: satisfied without a download

    def depend_on(self, *requirements: str) -> None:
        lines = ["[project]", f"dependencies = {list(requirements)!r}", "[dependency-groups]", "test = []", "lint = []"]
        (self.root / "pyproject.toml").write_text("\n".join(lines))

    def start(self, *purposes: str, **variables: str) -> subprocess.Popen[str]:
        offline = {"XDG_CACHE_HOME": str(self.cache), "PIP_RETRIES": "0", "PIP_NO_INDEX": "1"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        return subprocess.Popen(
            [str(self.root / "script" / "bootstrap"), *purposes],
            env=clean | offline | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *purposes: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*purposes, **variables)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def environments(self) -> list[Path]:
        return sorted((self.cache / "k8s-extcap" / "venv").glob("py*/"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_printed_python_is_private_and_the_second_run_makes_nothing(checkout: Checkout) -> None:
    first = checkout.run()
    assert first.returncode == 0, first.stderr
    (made,) = checkout.environments()
    python = first.stdout.strip()
    assert python == str(made / "bin" / "python")
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert prefix.stdout.strip() == str(made)

    assert (made.parent / "current").resolve() == made, "the checkout's launcher looks there"
    current = [str(made.parent / "current" / "bin" / "python"), "-c", "import pip"]
    assert subprocess.run(current, check=False).returncode == 0

    second = checkout.run()
    assert (second.stdout, second.stderr) == (first.stdout, ""), "nothing to do, nothing to say"


def test_another_list_of_dependencies_is_another_environment() -> None:
    assert environment.key(["a"]) != environment.key(["a", "b"]) != environment.key(["b"])


def test_only_what_is_no_plain_run_gets_the_tools_of_tests() -> None:
    project = {"project": {"dependencies": ["a"]}, "dependency-groups": {"test": ["b"], "lint": ["c"], "build": ["d"]}}
    assert environment.requirements(project, ["run"]) == ["a"]
    assert environment.requirements(project, ["run", "demo"]) == ["a", "b", "c"]


def test_a_relative_cache_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert environment.home() == Path("/home/somebody/.cache/k8s-extcap/venv")
    monkeypatch.setenv("XDG_CACHE_HOME", "/absolute")
    assert environment.home() == Path("/absolute/k8s-extcap/venv")


@pytest.mark.slow
def test_a_killed_run_is_mended_by_the_next(checkout: Checkout) -> None:
    killed = checkout.start()
    deadline = time.monotonic() + 60
    while not (checkout.environments() and (checkout.environments()[0] / "bin").exists()):
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (broken,) = checkout.environments()
    assert not (broken / "complete").exists()
    (broken / "leftover").touch()

    mended = checkout.run()
    assert mended.returncode == 0, mended.stderr
    assert (broken / "complete").exists()
    assert not (broken / "leftover").exists()


@pytest.mark.slow
def test_two_at_once_share_one_environment(checkout: Checkout) -> None:
    both = [checkout.start(), checkout.start()]
    results = [process.communicate(timeout=100) for process in both]
    assert results[0][0] == results[1][0] != ""
    assert sum("Making a Python environment" in err for _, err in results) == 1


@pytest.mark.slow
def test_a_failed_download_names_the_variables_and_prints_no_path(checkout: Checkout) -> None:
    checkout.depend_on("k8s-extcap-depends-on-this")
    failed = checkout.run(PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:1/simple")
    assert failed.returncode == 1
    assert failed.stdout == ""
    for word in ("https_proxy", "PIP_INDEX_URL", "PIP_CERT", "run the same command again"):
        assert word in failed.stderr
    assert "Traceback" not in failed.stderr

    checkout.depend_on("pip")
    assert checkout.run().returncode == 0


@pytest.mark.slow
def test_a_package_without_a_wheel_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    source = tmp_path / "index" / "sourceonly-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text("open('/tmp/k8s-extcap-this-must-never-run', 'w')")
    subprocess.run(["tar", "-czf", "../sourceonly-1.0.tar.gz", "-C", "..", source.name], cwd=source, check=True)
    checkout.depend_on("sourceonly")
    refused = checkout.run(PIP_FIND_LINKS=str(source.parent))
    assert refused.returncode == 1
    assert "No matching distribution" in refused.stderr
    assert not Path("/tmp/k8s-extcap-this-must-never-run").exists()


def test_an_unknown_purpose_is_refused_by_name(checkout: Checkout) -> None:
    refused = checkout.run("dance")
    assert refused.returncode == 2
    assert '"dance"' in refused.stderr


def as_nobody(checkout: Checkout, tools: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script as an ordinary user, with `tools` before everything else in PATH."""
    for folder in (checkout.root, *checkout.root.parents):
        if os.geteuid() == 0 and folder.owner() == "root" and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    drop = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*drop, str(checkout.root / "script" / "bootstrap")],
        env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def tool(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_without_rights_one_command_is_named(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / "script" / "packages").write_text("run k8s-extcap-tool its-package none\n")
    tool(tmp_path / "tools", "sudo", "echo 'a password is required' >&2; exit 1")
    tool(tmp_path / "tools", "apt-get", "exit 99")
    refused = as_nobody(checkout, tmp_path / "tools", CI="true")
    assert refused.returncode == 1
    commands = [line.strip() for line in refused.stderr.splitlines() if line.startswith("    ")]
    assert commands == [
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends its-package"
    ]


def test_sudo_is_told_to_keep_the_variables_of_the_network(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / "script" / "packages").write_text("run k8s-extcap-tool its-package none\n")
    record = tmp_path / "record"
    record.touch(mode=0o666)
    record.chmod(0o666)
    tool(tmp_path / "tools", "sudo", f'printf "%s\\n" "$*" >>"{record}"')
    tool(tmp_path / "tools", "apt-get", "exit 99")
    network = {
        "http_proxy": "http://user:secret@proxy:3128",
        "NO_PROXY": "localhost",
        "PIP_INDEX_URL": "https://index.example/simple",
        "REQUESTS_CA_BUNDLE": "/etc/ca.pem",
        "GOPROXY": "https://go.example",
    }
    as_nobody(checkout, tmp_path / "tools", EDITOR="vi", **network)
    calls = [line for line in record.read_text().splitlines() if "apt-get" in line]
    assert [line.partition(" -- ")[0] for line in calls] == [f"--preserve-env={','.join(sorted(network))}"] * 2
    assert all("DEBIAN_FRONTEND=noninteractive" in line and "--no-remove" in line for line in calls)
    assert "secret" not in record.read_text(), "a proxy's password belongs into no process list"


def test_an_installation_leaves_no_file_behind(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / "script" / "packages").write_text("run k8s-extcap-tool its-package none\n")
    tool(tmp_path / "tools", "sudo", "echo installed")
    tool(tmp_path / "tools", "apt-get", "exit 99")
    (temporary := tmp_path / "temporary").mkdir(mode=0o777)
    temporary.chmod(0o777)
    done = as_nobody(checkout, tmp_path / "tools", TMPDIR=str(temporary), XDG_CACHE_HOME="/nonexistent")
    assert "Installing with apt: its-package" in done.stderr
    assert list(temporary.iterdir()) == []
