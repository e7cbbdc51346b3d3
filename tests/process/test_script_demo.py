"""`script/demo`, the whole of it: on the small cluster, on somebody's own, and where it cannot work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from script import guest
from testbed.demo import DemoCluster

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.demo, pytest.mark.tshark]


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command with a HOME of its own and the caches that are there."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    clean = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [str(ROOT / "script" / "demo"), *arguments],
        env=clean | {"HOME": str(home), "XDG_CACHE_HOME": cache} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(autouse=True)
def _tools() -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed on this machine.")


def packets(said: str) -> list[str]:
    return re.findall(r"^ +\d+ +\d+\.\d+ .*$", said, re.MULTILINE)


def made(said: str) -> list[Path]:
    """The temporary folders that it named."""
    return [Path(path) for path in re.findall(r"/tmp/k8s-extcap-\S+", said)]


def test_without_a_cluster_it_shows_pods_and_packets_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "You have no cluster at hand" in done.stdout
    assert len(re.findall(r"k8s-pod-shop\.web-", done.stdout)) >= 3, done.stdout
    assert 1 <= len(packets(done.stdout)) <= 20, done.stdout
    assert "LEFT" not in done.stdout
    assert done.stdout.count("  gone  ") == 3
    assert made(done.stdout) != []
    assert not any(path.exists() for path in made(done.stdout))
    assert list((tmp_path / "home").iterdir()) == [], "it wrote into somebody's home"


@pytest.mark.slow
def test_somebodys_own_cluster_is_left_alone_where_nobody_can_be_asked(tmp_path: Path, demo: DemoCluster) -> None:
    done = run(tmp_path / "home", "--seconds", "5", KUBECONFIG=str(demo.kubeconfig))
    assert f"answers: context demo, {demo.url}" in done.stdout
    assert "--yes" in done.stdout
    assert "Starting a small cluster" in done.stdout


@pytest.mark.slow
def test_somebodys_own_cluster_is_used_with_yes(tmp_path: Path, demo: DemoCluster) -> None:
    done = run(tmp_path / "home", "--yes", KUBECONFIG=str(demo.kubeconfig))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Starting a small cluster" not in done.stdout
    assert ".allow:upload" in done.stdout, "nothing that stays may be created in somebody's cluster"
    assert demo.process.poll() is None
    assert "LEFT" not in done.stdout


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_named_and_the_demo_goes_on(tmp_path: Path, demo: DemoCluster) -> None:
    gone = tmp_path / "kubeconfig"
    gone.write_text(demo.kubeconfig.read_text().replace(demo.url, "https://127.0.0.1:1"))
    done = run(tmp_path / "home", "--yes", KUBECONFIG=str(gone))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Your current cluster cannot be used" in done.stdout
    assert "127.0.0.1:1" in done.stdout


def test_a_launcher_with_hostile_values_runs_as_written(tmp_path: Path) -> None:
    hostile = "a'b\"c $(touch pwned) `touch pwned`;\n*"
    text = guest.launcher({"KUBECONFIG": hostile})
    probe = tmp_path / "probe"
    probe.write_text(text.split("\nif ")[0] + '\nprintf %s "$KUBECONFIG"')
    said = subprocess.run(["sh", str(probe)], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == hostile
    assert not (tmp_path / "pwned").exists()


def test_only_what_is_no_chatter_counts_as_a_complaint() -> None:
    chatter = [
        'Running as user "root" and group "root". This could be dangerous.',
        "Capturing on 'web: k8s-pod-shop.web'",
        ' ** (tshark:30455) 07:48:42.833255 [Main MESSAGE] -- File: "/tmp/wireshark_db-0N3GMZ3.pcapng"',
        "20 packets captured",
        "tshark: ",
        "",
    ]
    assert [line for line in chatter if not guest.CHATTER.search(line)] == []
    assert not guest.CHATTER.search("tshark: Pod shop/web is gone.")
    assert not guest.CHATTER.search("3 packets captured were lost")
