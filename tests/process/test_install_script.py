"""The one-line installer in a home of its own, with a wheel of this checkout. Its dependencies are those of the test
environment, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "installer/install.sh"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    if not (ROOT / "k8s_extcap/payload/bin/manifest.json").exists():
        pytest.skip("No payload was built, and there is no wheel without one: python -m payload.build")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
        check=True, timeout=110, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (made,) = folder.glob("*.whl")
    return made


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("XDG_", "K8S_", "KUBE", "SUDO", "PIP_"))}
        self.environment = {
            **kept, "HOME": str(path), "PYTHON": sys.executable, "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1",
            "PYTHONPATH": sysconfig.get_paths()["purelib"],
        }  # fmt: skip
        self.command = path / ".local/bin/k8s-extcap"
        self.launcher = path / ".local/lib/wireshark/extcap/k8s-extcap"

    def install(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", SCRIPT, *argv],
            env={**self.environment, **environment}, capture_output=True, text=True, timeout=100, check=False, cwd="/",
        )  # fmt: skip

    def environments(self) -> list[Path]:
        return sorted((self.path / ".local/share/k8s-extcap").glob("venv-*"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.slow
def test_install_update_and_uninstall(home: Home, wheel: Path) -> None:
    done = home.install("--source", str(wheel))
    assert done.returncode == 0, done.stderr
    assert subprocess.run([home.command, "--version"], env=home.environment, check=True, timeout=60).returncode == 0
    listed = subprocess.run(
        ["env", "-i", f"HOME={home.path}", "DISPLAY=:0", home.launcher, "--extcap-interfaces"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "{value=k8s-browse}" in listed.stdout
    (first,) = home.environments()

    assert home.install("--source", str(wheel)).returncode == 0
    (second,) = home.environments()
    assert first != second
    assert str(second) in home.launcher.read_text()

    assert home.install("--uninstall").returncode == 0
    assert home.environments() == []
    assert not home.launcher.exists()
    assert not home.command.is_symlink()


@pytest.mark.slow
def test_a_failed_download_says_what_to_set_and_leaves_what_was(home: Home, wheel: Path) -> None:
    assert home.install("--source", str(wheel), "--no-launcher").returncode == 0
    before = home.environments()
    done = home.install()  # from an index, where there is none
    assert done.returncode == 1
    assert "HTTPS_PROXY" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert home.environments() == before
    assert home.command.exists()


@pytest.mark.slow
def test_a_command_of_somebody_elses_is_left_alone(home: Home, wheel: Path) -> None:
    home.command.parent.mkdir(parents=True)
    home.command.write_text("theirs")
    done = home.install("--source", str(wheel), "--no-launcher")
    assert done.returncode == 0
    assert "left as it is" in done.stderr
    assert home.command.read_text() == "theirs"


def test_without_a_fit_python_it_says_which_package(home: Home, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "apt-get"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/true")
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    text = SCRIPT.read_text().replace("/usr/bin/python3", "/nowhere/python3")
    done = subprocess.run(
        ["/bin/sh", "-s"], input=text, env={"HOME": str(home.path), "PATH": str(tools)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_cut_download_does_nothing(home: Home) -> None:
    lines = SCRIPT.read_text().splitlines()
    done = subprocess.run(
        ["sh", "-s"],
        input="\n".join(lines[:-1]),
        env=home.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not home.environments()


def test_an_unknown_word_is_refused(home: Home) -> None:
    done = home.install("--teapot")
    assert done.returncode == 1
    assert "--source" in done.stderr
