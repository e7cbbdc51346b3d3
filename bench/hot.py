"""The calls that Wireshark waits for, against a bare interpreter and /bin/true; and what we cost a `tshark -i lo`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench import measure
from bench.table import Table
from k8s_extcap.edge import catalog
from k8s_extcap.edge.catalog import Header, Origin
from k8s_extcap.setup import launcher
from k8s_extcap.wireshark import sentences
from testbed import compiler

ROOT = Path(__file__).parents[1]
ENTRY = str(ROOT / "k8s_extcap/__main__.py")
BARE = (sys.executable, "-I", "-S", "-E", "-c", "pass")
OURS = (sys.executable, "-I", "-S", "-E", "-X", "utf8", ENTRY)
EACH = 20  # runs that make one measurement: one run of 10 ms is near the clock's grain
POD = "k8s-pod-shop.web-1"
CALLS = {
    "list": ("--extcap-interfaces", "--extcap-version=4.4"),
    "dlts": ("--extcap-dlts", "--extcap-interface", POD),
    "config": ("--extcap-config", "--extcap-interface", POD),
    "filter check": ("--extcap-capture-filter", "tcp port 80 and host 10.0.0.1", "--extcap-interface", POD),
}


def fill(rows: int) -> None:
    """A catalog of that many pods, fresh for as long as the benchmark runs."""
    names = [f"k8s-pod-shop.web-{number}" for number in range(rows)]
    answer = sentences.extcap() + sentences.interface("k8s-browse", sentences.BROWSE)
    answer += "".join(sentences.interface(n, f"{n}, shop, running, 10.0.0.1, a-context-of-mine") for n in names)
    catalog.store(Header(int(time.time()) + 10_000, catalog.stamp(), "c", "c-0123"), answer)
    origin = ("c", "c-0123", "https://192.0.2.1:6443", "0123456789abcdef", "shop", 1)
    catalog.store_origins([Origin(name, *origin) for name in names])


def _sum(argv: tuple[str, ...], env: Mapping[str, str]) -> float:
    return sum(measure.cost(argv, env).cpu for _ in range(EACH))


def ratios(env: Mapping[str, str], against: tuple[str, ...], ours: tuple[str, ...], runs: int) -> list[float]:
    """CPU as a multiple, pair by pair, the two in turn so that both see the same machine."""
    out = []
    for _ in range(runs):
        base = _sum(against, env)
        out.append(_sum(ours, env) / base)
    return out


def calls(runs: int) -> Table:
    table = Table("CPU of each call as a multiple of a bare interpreter (`python -I -S -E -c pass`)", ["call", "ratio"])
    with tempfile.TemporaryDirectory() as home:
        os.environ["K8S_EXTCAP_HOME"] = home
        env = {"PATH": os.environ["PATH"], "HOME": home, "K8S_EXTCAP_HOME": home}
        for rows in (32, 200):
            fill(rows)
            table.add(f"list, {rows} interfaces", measure.shown(ratios(env, BARE, (*OURS, *CALLS["list"]), runs)))
        for name in ("dlts", "config", "filter check"):
            table.add(name, measure.shown(ratios(env, BARE, (*OURS, *CALLS[name]), runs)))
        table.add("a bare interpreter / `/bin/true`", measure.shown(ratios(env, ("/bin/true",), BARE, runs), 1))
    return table


def scan(runs: int, rows: int = 32) -> Table:
    """A whole `tshark -D` over that many interfaces: ours, and a static C program that prints the same list."""
    table = Table(
        f"`tshark -D` with {rows} interfaces, seconds of wall time (CPU of all processes)", ["extcap", "wall", "CPU"]
    )
    with tempfile.TemporaryDirectory() as home:
        os.environ["K8S_EXTCAP_HOME"] = home + "/ours"
        place = Path(home, ".config/wireshark/extcap")
        newer = Path(home, ".local/lib/wireshark/extcap")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "K8S_EXTCAP_HOME": home + "/ours",
            "FLOOR_LIST": home + "/list",
        }
        fill(rows)
        listed = subprocess.run([*OURS, *CALLS["list"]], env=env, capture_output=True, check=True).stdout
        Path(home, "list").write_bytes(listed)
        floor = compiler.static(ROOT / "bench/floor.c")
        launch = launcher.render(sys.executable, ENTRY, {}).encode()
        for name, program in (("none", b""), ("static C", floor.read_bytes()), ("ours", launch)):
            for folder in (place, newer):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "k8s-extcap").unlink(missing_ok=True)
                if program:
                    (folder / "k8s-extcap").write_bytes(program)
                    (folder / "k8s-extcap").chmod(0o755)
            each = [measure.cost(("tshark", "-D"), env) for _ in range(runs)]
            table.add(name, measure.shown([r.wall for r in each]), measure.shown([r.cpu for r in each]))
    return table
