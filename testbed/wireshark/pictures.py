"""The pictures of `docs/pictures`: the product in a real window, on the demo cluster.

python -m testbed.wireshark.pictures [VERSION]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.demo import DemoCluster
from testbed.wireshark import product, release, room
from testbed.wireshark.desk import Desk, desk
from testbed.wireshark.tshark import Tshark
from testbed.wireshark.window import Window, window

FOLDER = Path(__file__).parents[2] / "docs/pictures"
SIZE = (1120, 660)  # readable at the width of a README
KEPT = ("eth0", "any", "lo")  # of this machine's own interfaces; the test bed has many


def main(version: str) -> None:
    there = room.find(version)
    if not there:
        raise SystemExit(f"Wireshark {version} is not there: python -m testbed.wireshark make {version}")
    with DemoCluster.start() as demo:
        kubeconfig = Path(demo.kubeconfig)
        with opened(there, kubeconfig, "demo") as seen:
            row = seen.wait_for_row("k8s-pod-shop.web-")
            seen.select(row)
            seen.picture(FOLDER / "list.png")
            options(seen, row)
            running(seen, row)
        with opened(there, kubeconfig, "demo-nocreate") as seen:
            seen.start(seen.wait_for_row("k8s-pod-shop.web-"))
            seen.wait_for_error()
            seen.picture(FOLDER / "error.png")


def options(seen: Window, row: str) -> None:
    dialog = seen.open_options(row)
    dialog.set("Capture filter", "tcp port 8080")
    dialog.set("Stop after packets", "1000")
    seen.picture(FOLDER / "options.png")
    dialog.leave()


def running(seen: Window, row: str) -> None:
    seen.start(row)
    seen.wait_for_packets(60)
    seen.select_packet("HTTP")
    seen.picture(FOLDER / "capture.png")


@contextmanager
def opened(there: room.Room, kubeconfig: Path, context: str) -> Iterator[Window]:
    with desk(there) as fresh:
        product.install(fresh, kubeconfig, context=context, namespace="shop")
        product.command(fresh, "refresh")
        fresh.write(".config/wireshark/preferences", f"capture.devices_hide: {','.join(others(fresh))}\n")
        with window(fresh, size=SIZE) as seen:
            yield seen


def others(at: Desk) -> list[str]:
    """This machine's interfaces that would only fill the picture."""
    lines = Tshark(at).run("-D").stdout.splitlines()
    names = [line.split()[1] for line in lines]
    return [name for name in names if name not in KEPT and not name.startswith("k8s-")]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else release.RELEASES[-1].version)
