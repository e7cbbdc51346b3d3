"""The pages say what the results say: nothing is hidden, nothing is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.matrix import compatibility, pods, reliability, report, stops
from testbed.matrix.results import Figure, Result, Verdict
from testbed.matrix.table import plain, table

AT = ("abc1234", "2026-01-02T03:04:05Z", {"kubernetes": "1.36.3", "runtime": "containerd 1.6.20"})


def result(
    part: str, what: dict[str, str], verdict: Verdict, sentence: str = "", figures: dict[str, Figure] | None = None
) -> Result:
    return Result(part, what, verdict, sentence, 1.0, *AT, figures or {})


def method(kind: str, node: str, name: str, verdict: Verdict, sentence: str = "", **figures: Figure) -> Result:
    return result("methods", {"kind": kind, "node": node, "method": name}, verdict, sentence, figures)


def row(page: str, first: str) -> list[str]:
    return next(
        [c.strip() for c in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith(f"| {first} ")
    )


def test_where_both_runtimes_agree_there_is_one_word() -> None:
    found = [method("non-root", node, "upload", "refused", f"pod matrix/nonroot-{node} cannot.") for node in pods.NODES]
    found += [
        method("non-root", "n1", "nsenter", "works"),
        method("non-root", "n2", "nsenter", "failed", "left: a Job"),
    ]
    page = compatibility.page(found)
    cells = row(page, "non-root")
    assert cells[2] == "refused [1]"
    assert cells[4] == "n1: works, n2: **failed**"
    assert cells[1] == "not run (no result)"
    assert "1. pod NAMESPACE/POD cannot." in page
    assert "**non-root/n2/nsenter**: left: a Job" in page


def test_a_page_without_results_says_so_in_every_row() -> None:
    page = compatibility.page([])
    for kind in pods.KINDS:
        assert row(page, kind.title)[1:] == ["not run (no result)"] * 5
    assert page.count("not run (") == len(pods.KINDS) * 9 + 3
    assert "not run (no result)" in reliability.page([])


def test_what_auto_takes_is_named() -> None:
    found = [method("non-root", n, "auto --allow ephemeral", "works", "", method="ephemeral") for n in pods.NODES]
    rows = [line for line in compatibility.page(found).splitlines() if line.startswith("| non-root ")]
    assert [c.strip() for c in rows[1].split("|")[1:-1]][3] == "ephemeral"


def test_a_release_that_was_not_run_gives_its_reason() -> None:
    what = {"kubernetes": "1.33.13", "kind": "ordinary pod", "node": "n1", "method": "upload"}
    assert "not run (not built)" in compatibility.page([result("versions", what, "not run", "not built")])


@pytest.mark.parametrize("verdict", ["works", "failed"])
def test_a_kill_that_left_something_cannot_be_overlooked(verdict: Verdict) -> None:
    what = {"blow": "SIGKILL of x", "method": "nsenter", "node": "n1"}
    figures: dict[str, Figure] = {"there": "object", "gone_after": 12.5, "by": "reaper"}
    page = reliability.page([result("kill", what, verdict, "job a/b" if verdict == "failed" else "", figures)])
    cells = row(page, "SIGKILL of x")
    assert cells[2:6] == ["1", "1", "12.5 s", "reaper"]
    assert ("**1 failed**" in cells[6], "job a/b" in page) == ((True,) * 2 if verdict == "failed" else (False,) * 2)


def test_missing_packets_are_summed() -> None:
    how = next(iter(stops.ROUNDS))
    what = {"how": how, "method": "upload", "node": "n1"}
    found = [
        result("stops", {**what, "round": "1"}, "works", "", {"sent": 500, "missing": 0}),
        result("stops", {**what, "round": "2"}, "failed", "", {"sent": 500, "missing": 7}),
    ]
    rows = [line for line in reliability.page(found).splitlines() if line.startswith(f"| {how} | upload ")]
    assert [c.strip() for c in rows[0].split("|")[3:-1]] == ["2", "1000", "7", "1"]


def test_a_failure_that_was_measured_again_stays_on_the_page() -> None:
    what = {"how": next(iter(stops.ROUNDS)), "method": "upload", "node": "n1", "round": "1"}
    failed, works = (result("stops", what, v, f"says {v}") for v in ("failed", "works"))
    page = reliability.page([failed, works])
    assert "Failed before, and measured again:" in page
    assert "says failed; then works" in page
    assert "Failed before" not in reliability.page([works, failed])
    assert "Failed before" not in reliability.page([works])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("pod matrix/client-n1 has", "pod NAMESPACE/POD has"),
        ("pod matrix-restricted/strict-n2: no", "pod NAMESPACE/POD: no"),
        ('pods "strict-n2" is forbidden', 'pods "POD" is forbidden'),
        ("a helper pod on node n2 can", "a helper pod on node NODE can"),
        ("pod team/client-n1 has", "pod team/client-n1 has"),
    ],
)
def test_a_refusal_is_the_same_on_each_node(said: str, shown: str) -> None:
    assert plain(said) == shown


def test_a_bar_in_a_sentence_does_not_break_the_table() -> None:
    assert table(["a"], [["x|y"]])[2] == "| x\\|y |"


def test_the_report_writes_both_pages(tmp_path: Path) -> None:
    report.write([method("non-root", "n1", "upload", "works")], tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"compatibility.md", "reliability.md"}
