"""docs/compatibility.md: which method works on what, and the sentence of each that does not."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.matrix import methods, versions
from testbed.matrix.pods import KINDS, NODES
from testbed.matrix.results import Result, latest
from testbed.matrix.table import MADE, failures, names, origin, plain, select, table

ORDER = ("resident", "upload", "ephemeral", "nsenter", "copy")  # by footprint
NOT_RUN = "not run"


class Notes:
    """Sentences by number, each once."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def number(self, sentence: str) -> str:
        return f"[{self._found.setdefault(plain(sentence), len(self._found) + 1)}]"

    def lines(self) -> list[str]:
        return [*(f"{number}. {sentence}" for sentence, number in self._found.items()), ""]


def page(every: Sequence[Result]) -> str:
    """From all results: the last word on each cell counts."""
    results = latest(every)
    part, other = select(results, "methods"), select(results, "versions")
    lines = [
        "# Compatibility",
        "",
        MADE,
        "",
        "Each cell is one run of `k8s-extcap capture POD --method M --limit-packets 3` on the real cluster of the test",
        "bed. *works*: three packets came, and code that shares nothing with the product found nothing left afterwards",
        "in the pod, in the cluster and on this machine, and no container of the pod restarted. A number in brackets",
        "is a refusal, with the sentence that the user reads below. Kinds of pod: [testbed.md](testbed.md).",
        "",
        origin(part),
        "",
        "## Methods",
        "",
    ]
    lines += _methods(part)
    lines += ["## Failures", "", *failures(part), "## Kubernetes releases", ""]
    lines += [
        "Other releases get a bed of their own: `K8S_EXTCAP_MATRIX_BUILD=1 python -m testbed.matrix run versions`",
        "builds what is missing, five minutes of two cores each.",
        "",
    ]
    return "\n".join([*lines, *_versions(other)]).rstrip() + "\n"


def _methods(part: Sequence[Result]) -> list[str]:
    notes = Notes()
    kinds = [kind.title for kind in KINDS]
    by_method = [[kind, *(_both(part, notes, kind, method) for method in ORDER)] for kind in kinds]
    levels = [f"auto --allow {level}" for level in methods.LEVELS]
    by_level = [[kind, *(_both(part, notes, kind, level) for level in levels)] for kind in kinds]
    lines = table(("pod", *ORDER), by_method)
    lines += ["Helper image given, helper pods in a namespace without policy. A copy of the pod runs the application a"]
    lines += ["second time and is taken only when named; a pod in its node's network is asked for `cni0`.", ""]
    lines += ["## What `auto` takes", "", "By the largest footprint that *May use* (`--allow`) admits.", ""]
    lines += table(("pod", *(f"`{level.removeprefix('auto ')}`" for level in levels)), by_level)
    return [*lines, "## Refusals", "", *notes.lines()]


def _both(part: Sequence[Result], notes: Notes, kind: str, method: str) -> str:
    """One word where both runtimes agree, else one for each."""
    said = {}
    for node in NODES:
        found = select(part, "methods", kind=kind, node=node, method=method)
        said[node] = _word(found[-1], notes) if found else f"{NOT_RUN} (no result)"
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return ", ".join(f"{node}: {word}" for node, word in said.items())


def _word(result: Result, notes: Notes) -> str:
    if result.verdict == "works":
        return str(result.figures.get("method", "works")) if result.what["method"].startswith("auto") else "works"
    if result.verdict == "refused":
        return f"refused {notes.number(result.sentence)}"
    return "**failed**" if result.verdict == "failed" else f"{NOT_RUN} ({result.sentence})"


def _versions(part: Sequence[Result]) -> list[str]:
    known = [version + (f", n2 {older}" if older else "") for version, older in versions.ROWS]
    notes, lines = Notes(), []
    for release in dict.fromkeys((*known, *names(part, "kubernetes"))):
        found = select(part, "versions", kubernetes=release)
        ran = [r for r in found if r.verdict != "not run"]
        lines += [f"### Kubernetes {release}", ""]
        if not ran:
            lines += [f"{NOT_RUN} ({found[-1].sentence if found else 'no result'})", ""]
            continue
        lines += [origin(ran), ""]
        rows = []
        for kind in names(ran, "kind"):
            cells = []
            for method in ORDER:
                words = {_word(r, notes) for r in select(ran, "versions", kubernetes=release, kind=kind, method=method)}
                cells.append(", ".join(sorted(words)) or NOT_RUN)
            rows.append([kind, *cells])
        lines += table(("pod", *ORDER), rows)
        if any(r.verdict == "failed" for r in ran):
            lines += failures(ran)
    return [*lines, *notes.lines()]
