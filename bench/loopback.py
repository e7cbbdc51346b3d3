"""What we cost a capture that has nothing to do with us: `tshark -i lo` with our extcap installed and without."""

from __future__ import annotations

import os

from bench import measure
from bench.hot import fill
from bench.table import Table
from k8s_extcap.setup import launcher
from testbed.wireshark import release, room
from testbed.wireshark.desk import Desk, desk

ROWS = 200  # interfaces that are known
EACH = 3  # runs that make one measurement
LOOP = f"for n in {' '.join(map(str, range(EACH)))}; do tshark -i lo -a duration:1 -w /dev/null 2>/dev/null; done"


def loopback(runs: int) -> Table:
    """CPU of all processes, as a multiple; each Wireshark of the test bed that is there."""
    table = Table(
        f"`tshark -i lo -a duration:1` with us installed ({ROWS} interfaces known) / without, CPU of {EACH} runs",
        ["Wireshark", "ratio", "seconds without"],
    )
    for version in release.versions():
        place = room.find(version)
        if place is None:
            table.notes.append(f"No Wireshark {version} here: python -m testbed.wireshark make {version}")
            continue
        with desk(place, offline=True) as fresh:
            ratios, bases = _ratios(fresh, runs)
        table.add(version, measure.shown(ratios), measure.shown(bases))
    return table


def _ratios(at: Desk, runs: int) -> tuple[list[float], list[float]]:
    own = at.home / "ours"
    os.environ["K8S_EXTCAP_HOME"] = str(own)
    fill(ROWS)
    for path in (own, *own.rglob("*")):
        os.chown(path, *_owner(at))
    entry = str(at.checkout / "k8s_extcap/__main__.py")
    program = at.install(launcher.render(str(at.python), entry, {}))
    away = program.with_name("away")
    ratios, bases = [], []
    for _ in range(runs):
        program.rename(away)
        program.parent.joinpath("away").chmod(0o600)  # what is no program is no extcap
        base = _cost(at)
        away.chmod(0o755)
        away.rename(program)
        ratios.append(_cost(at) / base)
        bases.append(base / EACH)
    return ratios, bases


def _owner(at: Desk) -> tuple[int, int]:
    status = at.home.stat()
    return status.st_uid, status.st_gid


def _cost(at: Desk) -> float:
    """Without what it costs to enter the room."""
    env = at.environment({"K8S_EXTCAP_HOME": str(at.home / "ours")})
    enter = measure.cost(at.command(["sh", "-c", ":"]), env).cpu
    return measure.cost(at.command(["sh", "-c", LOOP]), env).cpu - enter
