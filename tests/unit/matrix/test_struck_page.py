"""The page about struck captures: by blow, by position, what was not run, what stayed, what the search finds."""

from __future__ import annotations

from testbed.matrix import rings_page
from testbed.matrix.results import Figure, Result, Verdict

NOW = "2026-01-02T03:04:05Z"


def test_struck_cells_are_counted_by_blow_and_position_and_what_was_not_run_is_told() -> None:
    def one(method: str, position: str, blow: str, verdict: Verdict, **figures: Figure) -> Result:
        what = {"method": method, "position": position, "blow": blow}
        versions = {"runtime": "containerd 9"}
        return Result("struck", what, verdict, f"words of {blow}", 1.0, "abc", NOW, versions, dict(figures))

    every = [
        one("upload", "while streaming", "SIGKILL", "works", gone_after=2.4),
        one("upload", "exec: before the call", "SIGKILL", "works", gone_after=11.0, remainder="a; b, c"),
        one("nsenter", "while streaming", "SIGKILL", "failed"),
        one("nsenter", "while streaming", "RST", "not run"),
        one("copy", "create pod: after the answer", "revoked", "works", ended_after=99.6, ended_on="n2", node="n1"),
        one("copy", "while streaming", "revoked", "works", ended_after=120.2, ended_on="n2", node="n2"),
        one("copy", "exec: before the call", "revoked", "failed", ended_after=280.0, ended_on="n1", node="n2"),
        Result("search", {"planted": "file"}, "works", "", 1.0, "abc", NOW),
        Result("search", {"mutant": "guard off"}, "failed", "nothing was found", 1.0, "abc", NOW),
    ]
    text = "\n".join(rings_page.page(every, every))
    assert "| SIGKILL | 2, 11 s | **0 of 1, 0 s** | - |" in text
    assert "| RST | - | not run | - |" in text
    assert "| exec: before the call | 1, 11 s | - | **0 of 1, 0 s** |" in text
    assert "1 cells of 7 were not run:" in text
    assert "| n2 | containerd 9 | 2 | 100 to 120 s |" in text
    assert "| n1 |" not in text
    assert "- nsenter/while streaming/RST: not run (words of RST)" in text
    assert "| b, c | upload | 1 | SIGKILL |" in text
    assert "- **nsenter/while streaming/SIGKILL**: words of SIGKILL" in text
    assert "| planted | file | found, then gone |" in text
    assert "| mutant | guard off | **nothing was found** |" in text
