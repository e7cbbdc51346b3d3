"""The struck cells come from plans; the sample holds what it must; a shared blow waits for all and falls once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from testbed.matrix import sample, strikes, struck, tree
from testbed.matrix.deeds import STREAMING, first_answered, positions, read
from testbed.matrix.ending import packets
from testbed.matrix.struck import Shot, Together, shots

JOB = """target: pod shop/web in context bed
method: nsenter
why:    pod shop/web: a helper pod can (/api/enter) its network.
create: helper job tools/k8s-extcap-1 on node n1 (/apis/batch/v1/namespaces/tools/jobs)
    {
    "apiVersion": "batch/v1"
    }
    undone afterwards: it is deleted as k8s-extcap-1
wait for: helper job tools/k8s-extcap-1 on node n1 runs (/api/v1/namespaces/tools/pods)
run in container helper of tools/(helper):
    sh -c 'eval' k8s-extcap 20 2
stays in the cluster afterwards: nothing
"""
PATCH = """change: ephemeral container x in pod shop/web (/api/v1/namespaces/shop/pods/web/ephemeralcontainers)
run in container x of shop/web:
    sh -c 'text' k8s-extcap 20 1
"""
EXEC = "run in container app of shop/web:\n    sh -c 'text' k8s-extcap 20 1\n"
PLANS = {
    "resident": read(EXEC),
    "upload": read(EXEC),
    "ephemeral": read(PATCH),
    "nsenter": read(JOB),
    "copy": read(JOB.replace("batch/v1/namespaces/tools/jobs", "v1/namespaces/tools/pods")),
}


def test_deeds_are_what_a_plan_creates_changes_and_runs() -> None:
    assert [deed.title for deed in PLANS["nsenter"]] == ["create job", "exec"]
    assert [deed.title for deed in PLANS["ephemeral"]] == ["change ephemeralcontainer", "exec"]
    create, run = PLANS["nsenter"]
    assert create.call.meets("POST /apis/batch/v1/namespaces/tools/jobs")
    assert not create.call.meets("GET /apis/batch/v1/namespaces/tools/jobs")
    assert not create.call.meets("POST /apis/batch/v1/namespaces/tools/jobs?dryRun=All")
    stream = "GET /api/v1/namespaces/tools/pods/k8s-extcap-1-x/exec?command=sh&command=-c&command=text"
    assert run.call.meets(f"{stream}&command=k8s-extcap&command=20&command=2&container=helper")
    assert not run.call.meets(f"{stream}&command=k8s-extcap&container=helper")  # a probe
    assert not run.call.meets("GET /api/v1/namespaces/others/pods/p/exec?command=k8s-extcap&command=20&")


def test_each_deed_has_three_moments_and_the_stream_comes_last() -> None:
    titles = [p.title for p in positions(PLANS["nsenter"])]
    assert titles[:3] == [f"create job: {m}" for m in ("before the call", "before the answer", "after the answer")]
    assert titles[3:] == [f"exec: {m}" for m in ("before the call", "before the answer", "after the answer")] + [
        STREAMING
    ]
    assert first_answered(PLANS["nsenter"]).title == "create job: after the answer"


def test_every_method_meets_every_blow_at_every_position() -> None:
    every = shots(PLANS)
    assert len({tuple(s.what.values()) for s in every}) == len(every)
    for method, plan in PLANS.items():
        for blow in strikes.BLOWS:
            at = {s.position.title for s in every if (s.method, s.blow, s.reconnect) == (method, blow, 0)}
            where = {p.title for p in positions(plan)}
            if not blow.helped:
                assert at == where, (method, blow.name)
            elif method in strikes.HELPED:  # behind the helper's creation
                assert where - at == {p.title for p in positions(plan)[:2]}
            else:
                assert at == set()
    again = [s for s in every if s.reconnect]
    assert len(again) == len(PLANS) * len(struck.AGAIN)
    assert {s.position.title for s in again} == {STREAMING}


@pytest.mark.parametrize("seed", range(5))
def test_the_sample_holds_what_it_must_and_spreads(seed: int) -> None:
    every = shots(PLANS)
    chosen = sample.choose(every, PLANS, 20, seed)
    assert len(chosen) == len(set(chosen)) == 32 + 20
    for method in sample.METHODS:
        for blow in sample.ALWAYS:
            assert any((s.method, s.blow, s.position.title) == (method, blow, STREAMING) for s in chosen)
        kills = [s for s in chosen if s.method == method and s.blow is strikes.KILL]
        assert first_answered(PLANS[method]) in [s.position for s in kills]
    pairs = {pair for shot in chosen for pair in sample.pairs(shot)}
    by_chance = {pair for shot in every[: len(chosen)] for pair in sample.pairs(shot)}
    assert len(pairs) > 1.3 * len(by_chance)
    assert sample.choose(every, PLANS, 20, seed) == chosen


def test_a_shared_blow_falls_once_when_all_are_there_and_those_that_would_be_silent_start_last() -> None:
    plan = PLANS["nsenter"]
    group = [Shot("nsenter", p, strikes.API) for p in positions(plan)]
    assert [struck.urgent(s) for s in group] == [False, False, False, False, True, True, False]
    together, told, lock = Together(group), [], threading.Lock()

    def tell(word: str) -> None:
        with lock:
            told.append(word)

    def deal() -> None:
        time.sleep(0.05)
        tell("blow")

    def one(shot: Shot) -> None:
        together.turn(shot)
        tell("urgent" if struck.urgent(shot) else "patient")
        together.arrive(shot)
        together.wait()
        together.once("deal", deal)
        tell("struck")

    threads = [threading.Thread(target=one, args=(shot,)) for shot in group]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert told[:7] == ["patient"] * 5 + ["urgent"] * 2
    assert told[7:] == ["blow"] + ["struck"] * 7


def test_a_shared_blow_that_fails_fails_all() -> None:
    together = Together([])

    def fail() -> None:
        raise RuntimeError("it did not come back")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="did not come back"):
            together.once("deal", fail)


def test_the_product_as_a_tree_of_its_own_has_one_thing_changed(tmp_path: Path) -> None:
    """Each mutant still meets the text that it replaces, once."""
    for number, changes in enumerate((tree.QUICK, *tree.MUTANTS.values())):
        folder = tree.plant(tmp_path / str(number), changes)
        for name, pairs in changes.items():
            text = (folder / "k8s_extcap" / name).read_text()
            assert all(new in text for _, new in pairs)
            compile(text, name, "exec")
    with pytest.raises(ValueError, match="0 times"):
        tree.plant(tmp_path / "none", {"version.py": (("no such text", ""),)})


def test_a_file_ends_on_a_blocks_border_or_is_told(tmp_path: Path) -> None:
    header = bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000")
    file = tmp_path / "c.pcapng"
    file.write_bytes(b"")
    assert packets(file) == (0, "")
    file.write_bytes(header)
    assert packets(file) == (0, "")
    for cut in (header[:-4], header + b"\x06\0\0\0", header + header[:-1], header[:-4] + b"\x18\0\0\0"):
        file.write_bytes(cut)
        assert packets(file)[1] != ""
