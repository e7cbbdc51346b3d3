"""`python -m testbed.demo`: run the demo cluster and print the path of its kubeconfig."""

from __future__ import annotations

import argparse
import asyncio

from testbed.demo.modes import Mode
from testbed.demo.run import Options, run


def _scale(text: str) -> tuple[int, int]:
    pods, _, namespaces = text.partition("x")
    try:
        return int(pods), int(namespaces or "1")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not PODSxNAMESPACES, for example 10000x500") from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.demo", description=__doc__)
    parser.add_argument("--kubeconfig", default="", help="where to write it (default: a temporary folder)")
    parser.add_argument("--mode", type=Mode, choices=list(Mode), help="default: the first that this machine allows")
    parser.add_argument(
        "--scale", type=_scale, default=(0, 0), metavar="PODSxNAMESPACES", help="rows for listing tests"
    )
    parser.add_argument("--tcpdump", default="", help="the tcpdump of images that have one")
    parser.add_argument("--tool", action="append", default=[], help="a program to add to the images with a shell")
    parser.add_argument("--json", action="store_true", help="print the facts a program needs, in one line")
    given = parser.parse_args()
    options = Options(
        kubeconfig=given.kubeconfig,
        mode=given.mode,
        pods=given.scale[0],
        namespaces=given.scale[1],
        tcpdump=given.tcpdump,
        tools=tuple(given.tool),
        as_json=given.json,
    )
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
