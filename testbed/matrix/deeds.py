"""What a capture does to a cluster, from its own plan: the requests that change something, as the gate meets them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from testbed.matrix.gate import Call, Moment

VERBS = {"create": "POST", "change": "PATCH"}
STREAMING = "while streaming"
#: The stream's own exec among others: the far side's guard is called so, with its lease behind its name.
GUARDED = r".*[?&]command=k8s-extcap&command=20&"
MOMENTS: tuple[Moment, ...] = get_args(Moment)


class Deed(NamedTuple):
    """`title` for people: "create job", "exec"."""

    title: str
    call: Call


class Position(NamedTuple):
    """Where a blow falls: at a moment of a deed, or, without one, when packets flow. `title` names it in the pages."""

    title: str
    deed: Deed | None = None
    moment: Moment | None = None


def read(printed: str) -> tuple[Deed, ...]:
    """The deeds of a plan as `k8s-extcap capture --dry-run` prints it: each line without indentation is one."""
    found = []
    for line in printed.splitlines():
        step = re.match(r"(\w+): .*\((/\S+)\)$", line)
        if step and step[1] in VERBS:
            kind = step[2].rpartition("/")[2]
            # With a query behind it: it was only tried (dryRun).
            call = Call(VERBS[step[1]], re.escape(step[2]) + r"$")
            found.append(Deed(f"{step[1]} {kind.removesuffix('s')}", call))
        elif line.startswith("run in container "):
            space = re.escape(line.rpartition(" of ")[2].partition("/")[0])
            found.append(Deed("exec", Call("GET", rf"/api/v1/namespaces/{space}/pods/[^/]+/exec{GUARDED}")))
    return tuple(found)


def positions(deeds: Sequence[Deed]) -> tuple[Position, ...]:
    """Three for each deed, in the order of time, then the stream."""
    held = (Position(f"{deed.title}: {moment}", deed, moment) for deed in deeds for moment in MOMENTS)
    return (*held, Position(STREAMING))


def first_answered(deeds: Sequence[Deed]) -> Position:
    """Behind the first deed: something is there, and nothing else happened yet."""
    return next(p for p in positions(deeds) if p.moment == "after the answer")


def ask(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> tuple[Deed, ...]:
    """The deeds of the capture that `argv` describes, by its dry run. RuntimeError with its words where it has none."""
    words = [*argv, "--dry-run"]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)
    found = read(done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"no plan (exit {done.returncode}): {done.stderr.strip()[-200:] or done.stdout[:200]}")
    return found
