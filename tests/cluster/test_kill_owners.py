"""Whose something is decides who may remove it; what is there is told with its end; a pod gets three entries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.methods.ephemeral import AT_MOST
from testbed.cluster.bed import default_bed
from testbed.cluster.handle import Cluster
from testbed.matrix import mutants, tree
from testbed.matrix.berth import CONTAINER, POD, Berth, berths, environment, ground
from testbed.matrix.deeds import STREAMING, Position
from testbed.matrix.scene import Scene

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Berth]:
    cluster.need_bed("nodes to look at")
    with ground(default_bed(), cluster) as place, berths(place, 1) as made:
        # Objects count as old at once, by the server's clock: a minute of waiting is not what is tested here.
        changes: tree.Changes = {
            "run/janitor.py": (("FRESH = 60.0", "FRESH = -60.0"),),
            "methods/copy.py": (("IDLE = 30 ", "IDLE = 0 "),),  # the kubelet takes a minute or two by itself
        }
        tree.plant(place.work / "eager", changes)
        yield made[0]


@pytest.fixture
def berth(place: Berth) -> Iterator[Berth]:
    """With a fresh pod: whatever happens in one test, the next finds nothing of it."""
    yield place
    place.spoil()
    place.scrub()


def run(berth: Berth, home: Path, *words: str, user: str = "") -> tuple[int, str]:
    """`k8s-extcap WORDS` with that home; as that user, where one is named: (exit code, all that it says)."""
    env = environment(home, berth.ground.cluster.admin)
    if user:
        env |= {"LOGNAME": user, "USER": user}
    done = subprocess.run(
        [sys.executable, "-m", "k8s_extcap", *words],
        cwd=berth.ground.work / "eager", env=env, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def jobs(berth: Berth) -> list[str]:
    return berth.ground.cluster.kubectl("get", "jobs", "-n", berth.namespace, "-o", "name").split()


def test_nobodys_clean_up_touches_what_another_or_a_running_capture_has(berth: Berth, tmp_path: Path) -> None:
    with Scene(berth, "nsenter", tree=berth.ground.work / "eager") as scene:
        scene.start(Position(STREAMING))
        scene.reach()
        (job,) = jobs(berth)
        for number, user in enumerate(("eve", "")):  # somebody else; the same user, from another home
            home = tmp_path / str(number)
            home.mkdir()
            code, said = run(berth, home, "cleanup", "--all-contexts", "-n", berth.namespace, user=user)
            assert (code, said) == (0, "Nothing was left behind.\n")
        assert jobs(berth) == [job]
        name = f"job {berth.namespace}/{job.partition('/')[2]}"
        code, said = run(berth, tmp_path / "1", "cleanup", "--dry-run", "-n", berth.namespace)
        assert code == 0
        assert f"stays: {name} of " in said
        assert "whose capture runs, since 20" in said
        assert "it ends 60 s after its last capture, at the latest 20" in said
        _, told = run(berth, tmp_path / "0", "doctor", "--json", "-n", berth.namespace, user="eve")
        found = [f for f in json.loads(told) if f["topic"] == "captures"]
        assert [f["state"] for f in found] == ["good"]
        assert name in found[0]["sentence"]
        assert "whose capture" not in found[0]["sentence"]  # that cannot be known of another user's
        before = scene.size()
        over = time.monotonic() + 60
        while scene.size() <= before:
            assert not scene.ended, scene.words()
            assert time.monotonic() < over
            time.sleep(0.1)
        scene.signal(signal.SIGTERM)
        assert scene.process is not None
        assert scene.process.wait(60) == 0
        assert not scene.search.until_gone(60)[0]


def test_what_a_dead_capture_left_is_told_and_removed_by_its_user_alone(berth: Berth, tmp_path: Path) -> None:
    with Scene(berth, "nsenter", tree=berth.ground.work / "eager") as scene:
        scene.start(Position(STREAMING))
        scene.reach()
        (job,) = jobs(berth)
        scene.signal(signal.SIGSTOP)
        for pid in scene.search.here():  # the capture and its reaper
            os.kill(pid, signal.SIGKILL)
        assert scene.process is not None
        scene.process.wait(60)
        name = f"job {berth.namespace}/{job.partition('/')[2]}"
        other = tmp_path / "other"
        other.mkdir()
        assert run(berth, other, "cleanup", "-n", berth.namespace, user="eve") == (0, "Nothing was left behind.\n")
        code, said = run(berth, other, "cleanup", "--dry-run", "-n", berth.namespace)
        assert (code, said) == (0, f"would be removed: {name}\n")
        _, told = run(berth, other, "doctor", "--json", "-n", berth.namespace)
        (found,) = [f for f in json.loads(told) if f["topic"] == "captures"]
        assert (found["state"], found["advice"]) == ("note", "k8s-extcap cleanup")
        assert f"{name} of " in found["sentence"]
        assert "whose capture is gone" in found["sentence"]
        assert jobs(berth) == [job]
        # From another home nothing is known of the journal: the label and the owner are enough.
        assert run(berth, other, "cleanup", "-n", berth.namespace) == (0, f"removed: {name}\n")
        code, said = run(berth, scene.home, "cleanup", "--journals-only")
        assert code == 0
        assert said.startswith("removed: helper job")
        assert not scene.search.until_gone(60)[0]


@pytest.mark.slow
def test_a_copy_that_nobody_deletes_is_evicted_and_the_next_clean_up_removes_what_is_left_of_it(
    berth: Berth, tmp_path: Path
) -> None:
    with Scene(berth, "copy", tree=berth.ground.work / "eager") as scene:
        scene.start(Position(STREAMING))
        scene.reach()
        scene.signal(signal.SIGSTOP)
        for pid in scene.search.here():  # the capture and its reaper
            os.kill(pid, signal.SIGKILL)
        assert scene.process is not None
        scene.process.wait(60)
        left, _ = scene.search.until_ended(mutants.EVICTED)
        assert not left.inside, left.spoken()
        assert not left.objects, left.spoken()
        assert len(left.ended) == 1
        # The phase is Succeeded where its containers ended with 0, as busybox 1.37 does when told to end.
        ended = {p["metadata"]["name"]: p["status"] for p in pods(berth) if p["status"]["phase"] in FINISHED}
        (name,) = ended
        assert "Evicted" in reasons(berth, name), ended
        code, said = run(berth, tmp_path, "cleanup", "-n", berth.namespace)
        assert (code, said) == (0, f"removed: pod {berth.namespace}/{name}\n")
        run(berth, scene.home, "cleanup", "--journals-only")
        assert not scene.search.until_gone(60)[0]


FINISHED = ("Failed", "Succeeded")


def reasons(berth: Berth, pod: str) -> set[str]:
    """Of the events of that pod."""
    words = ("events", "-n", berth.namespace, f"--field-selector=involvedObject.name={pod}")
    return {str(event["reason"]) for event in berth.ground.cluster.get(*words)["items"]}


def pods(berth: Berth) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = berth.ground.cluster.get("pods", "-n", berth.namespace)["items"]
    return found


def entries(berth: Berth) -> list[dict[str, Any]]:
    pod = berth.ground.cluster.get("pod", POD, "-n", berth.namespace)
    found: list[dict[str, Any]] = pod["status"].get("ephemeralContainerStatuses", [])
    return found


def test_a_pod_gets_three_entries_at_most_and_the_fourth_capture_is_told_why(berth: Berth, tmp_path: Path) -> None:
    target = f"{berth.namespace}/{berth.pod.name}"
    limits = ("--limit-packets", "2", "--limit-time", "60s")
    words = ("capture", target, "--method", "ephemeral", *limits, "-w", str(tmp_path / "c.pcapng"), "--quiet")
    for cycle in range(1, 6):
        code, said = run(berth, tmp_path, *words)
        made = entries(berth)
        if cycle > AT_MOST:
            assert code != 0
            assert f"{AT_MOST} ephemeral containers of k8s-extcap already" in said
            assert len(made) == AT_MOST
            continue
        assert code == 0, said
        assert len(made) == cycle
        if cycle == 1:  # a second capture meanwhile uses it again
            assert run(berth, tmp_path, *words)[0] == 0
            assert len(entries(berth)) == cycle
        running = next(c["name"] for c in made if "running" in c["state"])
        assert running != CONTAINER
        # Killed with its container (137), if that is faster than the answer.
        berth.ground.cluster.kubectl("exec", "-n", berth.namespace, POD, "-c", running, "--", "kill", "1", check=False)
        over = time.monotonic() + 60
        while any("running" in c["state"] for c in entries(berth)):
            assert time.monotonic() < over
            time.sleep(0.2)
