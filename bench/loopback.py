"""What we cost a capture that has nothing to do with us: `tshark -i lo` with our extcap installed and without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench import measure
from bench.hot import ROOT, fill
from bench.table import Table
from k8s_extcap.setup import launcher
from testbed.wireshark import release, room
from testbed.wireshark.desk import Desk, desk
from testbed.wireshark.room import USER

ROWS = 200  # interfaces that are known
EACH = 2  # runs that make one measurement
# In a network of its own, whose `lo` is quiet; as an ordinary user who may capture.
_ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
_RIGHTS = "+net_raw,+net_admin"
_PERSON = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps", _RIGHTS,
           "--ambient-caps", _RIGHTS)  # fmt: skip
LOOP = f"for n in {' '.join(map(str, range(EACH)))}; do tshark -i lo -a duration:1 -w /dev/null || exit; done"


def loopback(runs: int) -> Table:
    """CPU of all processes, as a multiple; each Wireshark of the test bed that is there."""
    table = Table(
        f"`tshark -i lo -a duration:1` with us installed ({ROWS} interfaces known) / without, CPU of {EACH} runs",
        ["Wireshark", "ratio", "ms without, each", "ms of a list that starts Python"],
    )
    for version in release.versions():
        place = room.find(version)
        if place is None:
            table.notes.append(f"No Wireshark {version} here: python -m testbed.wireshark make {version}.")
            continue
        with desk(place) as fresh:
            ratios, bases, ours = _ratios(fresh, runs)
        table.add(version, measure.shown(ratios, 3), measure.shown(bases, 0), measure.shown(ours, 1))
    return table


def _ratios(at: Desk, runs: int) -> tuple[list[float], list[float], list[float]]:
    own = at.home / "ours"
    os.environ["K8S_EXTCAP_HOME"] = str(own)
    fill(ROWS)
    _give(own)
    program = at.install(launcher.render(str(at.python), str(_package(at)), {}))
    away = program.with_name("away")
    call = f"for n in 0 1 2 3 4 5 6 7 8 9; do '{program}' --extcap-interfaces --extcap-version=4.4 >/dev/null; done"
    ratios, bases, ours = [], [], []
    for _ in range(runs):
        program.rename(away)
        away.chmod(0o600)  # what is no program is no extcap
        base = _cost(at, LOOP)
        away.chmod(0o755)
        away.rename(program)
        ratios.append(_cost(at, LOOP) / base)
        bases.append(base / EACH * 1000)
        ours.append(_cost(at, call) / 10 * 1000)
    return ratios, bases, ours


def _package(at: Desk) -> Path:
    """Our program as an installation has it: compiled for the Python of that room."""
    there = at.home / "program/k8s_extcap"
    shutil.copytree(ROOT / "k8s_extcap", there, ignore=shutil.ignore_patterns("__pycache__", "bin"))
    _give(there.parent)
    measure.cost(at.command([at.python, "-m", "compileall", "-q", there]), at.environment())
    return there / "__main__.py"


def _give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)


def _cost(at: Desk, script: str) -> float:
    """Without what it costs to enter the room."""
    env = at.environment({"K8S_EXTCAP_HOME": str(at.home / "ours")})

    def enter(words: str) -> float:
        argv = [*_PERSON, "sh", "-c", words]
        return measure.cost([*_ALONE, *at.room.command(argv, binds=at.binds, cwd=at.home, user=0)], env).cpu

    return enter(script) - enter(":")
