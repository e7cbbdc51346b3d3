"""The file that Wireshark runs, run by a real shell: wherever it stands, and whatever is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from k8s_extcap.setup import launcher

SOURCE = Path(__file__).resolve().parents[2]
LIST = ("--extcap-interfaces", "--extcap-version=4.0")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a launcher in an environment that is nearly empty, with a home of its own."""

    def call(program: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"K8S_EXTCAP_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "KUBECONFIG": "/nowhere", **variables}
        return subprocess.run(
            [program, *words], env=env, capture_output=True, text=True, timeout=60, check=False, cwd="/"
        )

    return call


def install(folder: Path, python: Path, package: Path, environment: dict[str, str] | None = None) -> Path:
    program = folder / "k8s-extcap"
    program.write_text(launcher.render(str(python), str(package / "__main__.py"), environment or {}))
    program.chmod(0o755)
    return program


def copy(folder: Path) -> Path:
    """The package at another place, as an installation has it: without what was compiled before."""
    return Path(
        shutil.copytree(
            SOURCE / "k8s_extcap", folder / "k8s_extcap", ignore=shutil.ignore_patterns("__pycache__", "bin")
        )
    )


def python_at(folder: Path) -> Path:
    """An interpreter whose path goes through `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "python"
    link.symlink_to(sys.executable)
    return link


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "two words",
        'it\'s "quoted"',
        "$HOME `id` $(id) \\ ; & | *",
        "line\nend",
        "-dash",
        "p" * 250 + "/" + "q" * 60,
        "bräuchlich-λ",
    ],
)
def test_any_path(tmp_path: Path, run: Run, name: str) -> None:
    folder = tmp_path / name
    python, package = python_at(folder / "bin"), copy(folder)
    done = run(install(tmp_path, python, package), *LIST)
    assert (done.returncode, done.stderr) == (0, "")
    assert "interface {value=k8s-browse}" in done.stdout


@pytest.mark.parametrize("gone", ["python", "package", "both"])
def test_what_is_gone_is_said_where_wireshark_looks(tmp_path: Path, run: Run, gone: str) -> None:
    python, package = python_at(tmp_path / "bin"), copy(tmp_path)
    program = install(tmp_path, python, package)
    if gone != "package":
        python.unlink()
    if gone != "python":
        shutil.rmtree(package)
    listed = run(program, *LIST)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.count("interface {") == 1
    assert "{value=k8s-broken}" in listed.stdout
    assert "k8s-extcap install" in listed.stdout
    broken = ("--extcap-interface", "k8s-broken")
    assert run(program, "--extcap-config", *broken).stdout == ""
    assert run(program, "--extcap-dlts", *broken).stdout.startswith("dlt {number=1}")
    typed = run(program, "--extcap-capture-filter", "tcp", *broken)
    assert (typed.returncode, typed.stdout, typed.stderr) == (0, "", "")


@pytest.mark.parametrize("spelling", [["--fifo", "FIFO"], ["--fifo=FIFO"]])
def test_a_capture_that_cannot_be_opens_the_fifo_and_says_why(tmp_path: Path, run: Run, spelling: list[str]) -> None:
    program = install(tmp_path, tmp_path / "none", tmp_path / "none")
    fifo = tmp_path / "a fifo"
    os.mkfifo(fifo)
    content: list[bytes] = []
    reader = threading.Thread(target=lambda: content.append(fifo.read_bytes()), daemon=True)
    reader.start()
    words = [word.replace("FIFO", str(fifo)) for word in spelling]
    done = run(program, "--extcap-capture-filter", "tcp", "--extcap-interface", "k8s-broken", *words, "--capture")
    reader.join(30)
    assert content == [b""]  # it was opened, and closed again
    assert done.returncode == 1
    assert "k8s-extcap install" in done.stderr


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """An "interpreter" that prints the environment it is given."""
    program = tmp_path / "witness"
    program.write_text("#!/bin/sh\nexec env -0\n")
    program.chmod(0o755)
    return program


def seen(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)


def test_a_desktop_session_gets_what_was_recorded(tmp_path: Path, run: Run, witness: Path) -> None:
    recorded = {
        "PATH": "/opt/cloud tools/bin:/usr/bin:/it's",
        "HTTPS_PROXY": "http://user:p'a$s\"s`x`@proxy:3128",
        "NO_PROXY": "a,\nb",
    }
    package = copy(tmp_path)
    program = install(tmp_path, witness, package, recorded)
    env = seen(run(program, *LIST, PATH="/usr/bin:/bin"))
    assert env["PATH"] == "/usr/bin:/bin:/opt/cloud tools/bin:/it's"
    assert (env["HTTPS_PROXY"], env["NO_PROXY"]) == (recorded["HTTPS_PROXY"], recorded["NO_PROXY"])
    bare = seen(subprocess.run([program, *LIST], env={}, capture_output=True, text=True, check=True, timeout=60))
    assert "/opt/cloud tools/bin" in bare["PATH"].split(":")


def test_what_is_set_where_wireshark_was_started_counts_first(tmp_path: Path, run: Run, witness: Path) -> None:
    program = install(tmp_path, witness, copy(tmp_path), {"KUBECONFIG": "/recorded", "https_proxy": "http://r"})
    env = seen(run(program, *LIST, KUBECONFIG="/mine", https_proxy="", PATH="/usr/bin:/bin"))
    assert (env["KUBECONFIG"], env["https_proxy"]) == ("/mine", "")


def test_only_what_reaches_the_cluster_is_recorded() -> None:
    environment = {"PATH": "/bin", "KUBECONFIG": "/k", "AWS_SECRET_ACCESS_KEY": "x", "HTTPS_PROXY": "p", "TERM": "t"}
    assert set(launcher.recorded(environment)) == {"PATH", "KUBECONFIG", "HTTPS_PROXY"}


def test_a_name_that_is_no_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        launcher.render("/python", "/entry", {"A; rm -rf /": "x"})


def test_the_checkouts_launcher_is_the_template() -> None:
    assert (SOURCE / "extcap/k8s-extcap").read_text() == launcher.checkout()
    assert os.access(SOURCE / "extcap/k8s-extcap", os.X_OK)


def test_the_checkout_is_found_through_a_link(tmp_path: Path, run: Run) -> None:
    link = tmp_path / "personal folder" / "k8s-extcap"
    link.parent.mkdir()
    link.symlink_to(SOURCE / "extcap/k8s-extcap")
    done = run(link, *LIST, K8S_EXTCAP_PYTHON=sys.executable, PATH="/usr/bin:/bin")
    assert "interface {value=k8s-browse}" in done.stdout


def test_a_checkout_without_a_python_says_what_to_run(tmp_path: Path, run: Run) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/readlink").symlink_to("/usr/bin/readlink")
    done = run(SOURCE / "extcap/k8s-extcap", *LIST, PATH=str(tmp_path / "bin"))
    assert "{value=k8s-broken}" in done.stdout
    assert "script/bootstrap" in done.stdout


def test_a_package_that_may_not_be_written_still_gets_its_compiled_cache(tmp_path: Path, run: Run) -> None:
    package = copy(tmp_path)
    program = install(tmp_path, Path(sys.executable), package)
    # Root may write anywhere: a file where the cache's folder would be stops root too.
    for folder in [package, *(p for p in package.rglob("*") if p.is_dir())]:
        (folder / "__pycache__").write_text("")
    for _ in range(2):
        assert "k8s-browse" in run(program, *LIST).stdout
    cached = {path.name.partition(".")[0] for path in (tmp_path / "home").rglob("*.pyc")}
    assert {"entry", "argv", "catalog"} <= cached


def test_the_package_compiled_where_it_stands(tmp_path: Path, run: Run) -> None:
    package = copy(tmp_path)
    run(install(tmp_path, Path(sys.executable), package), *LIST)
    assert list(package.glob("__pycache__/entry.*.pyc"))
    assert not list((tmp_path / "home").rglob("*.pyc"))


def test_dependencies_that_are_gone_are_said_at_the_capture(tmp_path: Path, run: Run) -> None:
    """As after an update of the system's Python: the package is found, what it needs is not."""
    own = Path(sys.executable).resolve()  # outside of its environment
    program = install(tmp_path, own, copy(tmp_path))
    assert "k8s-browse" in run(program, *LIST).stdout
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.read_bytes, daemon=True).start()
    done = run(program, "--capture", "--extcap-interface", "k8s-pod-a.b", "--fifo", str(fifo), PATH="/usr/bin:/bin")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "k8s-extcap install" in done.stderr
