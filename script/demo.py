"""The main job, shown: a cluster's pods as Wireshark's interfaces, then the live packets of one of them.

    python -m script.demo [--yes] [--seconds N]

Everything it makes is temporary and named at the end, with whether it is gone.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from k8s_extcap.model import ids
from script import guest, peek, place
from script.guest import ROOT, Guest, Row
from script.place import Place

PACKETS = 20  # a screenful
TRIES = 3  # pods of somebody's cluster that are tried before giving up: some have no shell, some say nothing


def needs_payload(where: Place) -> bool:
    """Demo pods bring their tcpdump; somebody's own mostly do not."""
    return where.own and not (ROOT / "k8s_extcap" / "payload" / "bin" / "manifest.json").exists()


def build_payload() -> None:
    print("Building the small tcpdump that pods without one are lent (once, about two minutes) …", flush=True)
    for command in (["script/bootstrap", "build"], [sys.executable, "-m", "payload.build"]):
        if subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        ).returncode:
            print("It could not be built (see above). Only pods that have a tcpdump can be shown.")
            return


def heading(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def show_list(rows: list[Row]) -> None:
    """As a person would like to read it: the display first, then the name to type."""
    width = max(len(row.display) for row in rows)
    for row in rows:
        print(f"   {row.display:<{width}}   {row.name}")


def candidates(rows: list[Row], where: Place) -> list[Row]:
    """The pods worth showing, the favourite first."""
    pods = [row for row in rows if row.name.startswith("k8s-pod-")]
    return sorted(pods, key=lambda row: not (where.favourite and row.name.startswith(where.favourite)))[:TRIES]


def show_packets(visitor: Guest, row: Row, where: Place, seconds: int) -> str:
    """Captures and shows; returns '' or what went wrong."""
    words = ["tshark", "-l", "-i", row.name, "-c", str(PACKETS), "-a", f"duration:{seconds}"]
    if where.own:
        # Nothing that stays in somebody's cluster: neither an ephemeral container nor a helper pod.
        key = re.sub(r"[^a-z0-9_]", "_", row.name)
        words += ["-o", f"extcap.{key}.allow:upload"]
    heading(f"2. Live packets of {row.display}")
    print("   $ " + " ".join(words), flush=True)
    inside = peek.Inside(where, row.name)
    before = inside.traces()
    shown = visitor.show(words, seconds)
    if shown.complaint:
        return shown.complaint
    print(f"   ({shown.packets} packets)" if shown.packets else f"   (this pod said nothing for {seconds} s)")
    heading("3. What this made, and whether it is gone")
    print(inside.verdict(before))
    return ""


def unlisted(where: Place) -> list[Row]:
    """Pods of other namespaces, which have no row of their own but can be captured by name all the same."""
    return [Row(ids.render(name), name.spoken()) for name in peek.elsewhere(where)[:TRIES]]


def demonstrate(where: Place, seconds: int) -> int:
    with guest.guest(where.kubeconfig, own=where.own) as visitor:
        complaint = visitor.refresh(where.context)
        rows = visitor.rows()
        heading("1. What Wireshark lists (tshark -D, our rows): what you read, and the name you may type")
        if rows:
            show_list(rows)
        pods = candidates(rows, where)
        if not pods and (pods := unlisted(where)):
            print("   The current namespace has no pods. These are elsewhere, and a name is enough:")
            show_list(pods)
        if not pods:
            print(f"   No pod can be seen with these rights. {complaint}")
        for row in pods:
            complaint = show_packets(visitor, row, where, seconds)
            if not complaint:
                return 0
            print(f"   {complaint}")
    return 1


def interrupt(number: int, frame: object) -> None:
    """Makes the end of a terminal or of a CI job unwind like Ctrl+C."""
    del number, frame
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    parser = argparse.ArgumentParser(prog="script/demo", description="Pods as Wireshark's interfaces, live.")
    parser.add_argument("--yes", action="store_true", help="use the current cluster, if it answers, without asking")
    parser.add_argument("--seconds", type=int, default=15, metavar="N", help="longest time of the capture (default 15)")
    asked = parser.parse_args()
    if problem := guest.unusable():
        print(problem, file=sys.stderr)
        return 1
    try:
        with (
            tempfile.TemporaryDirectory(prefix="k8s-extcap-demo-") as folder,
            place.choose(Path(folder), yes=asked.yes) as where,
        ):
            if needs_payload(where):
                build_payload()
            code = demonstrate(where, asked.seconds)
    except KeyboardInterrupt:
        print("\nInterrupted; what was made is removed.")
        return 130
    if code == 0:
        print("\nTo have this in your own Wireshark: see Install in README.md.")
    return code


if __name__ == "__main__":
    sys.exit(main())
