"""python -m testbed.cluster up|down|status|restart|wipe|versions"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from testbed.cluster import daemons, state
from testbed.cluster.bed import CURRENT, MOST_BEDS, VERSIONS, Bed, default_bed
from testbed.cluster.down import down, wipe
from testbed.cluster.errors import BedError
from testbed.cluster.status import status, versions
from testbed.cluster.up import up


def version(text: str) -> str:
    if not re.fullmatch(r"1\.\d{2}\.\d{1,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no Kubernetes release; for instance {', '.join(VERSIONS)}")
    return text


def bed_number(text: str) -> int:
    if not text.isdecimal() or int(text) >= MOST_BEDS:
        raise argparse.ArgumentTypeError(f"a bed is a number from 0 to {MOST_BEDS - 1}, not {text!r}")
    return int(text)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.cluster",
        description="A real Kubernetes of two nodes on this machine, from its published parts. Needs root and Linux.",
    )
    parser.add_argument(
        "--bed",
        type=bed_number,
        metavar="N",
        help="another cluster beside bed 0 (default: K8S_EXTCAP_TESTBED_NUMBER or 0)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="build what is missing, start the cluster, apply the catalogue of pods")
    start.add_argument("--kubernetes", type=version, default=CURRENT, metavar="VERSION", help=f"default: {CURRENT}")
    start.add_argument("--node2", type=version, metavar="VERSION", help="an older kubelet on n2")
    start.add_argument("--nodes", type=int, choices=(1, 2), default=2)
    start.add_argument("--dns", action="store_true", help="CoreDNS as well")
    start.add_argument("--bare", action="store_true", help="without the catalogue of pods")
    commands.add_parser("down", help="end it; leaves no process, mount, link, namespace, control group or rule")
    commands.add_parser("status", help="nodes, daemons and pods; exit status 1 where it is not up and healthy")
    again = commands.add_parser("restart", help="kill these daemons and start them anew; disturbs whoever uses the bed")
    again.add_argument("daemons", nargs="+", choices=tuple(daemons.PROGRAMS))
    commands.add_parser("wipe", help="down, and forget keys, kubeconfigs and logs; built programs stay")
    commands.add_parser("versions", help="Kubernetes releases that are known to work, and which are built")
    return parser.parse_args(argv)


def run(options: argparse.Namespace) -> int:
    bed = default_bed()
    if options.bed is not None:
        bed = Bed(bed.root, options.bed)
    match options.command:
        case "up":
            wanted = state.Wanted(options.kubernetes, options.node2 or "", options.nodes, options.dns)
            up(bed, wanted, catalogue=not options.bare)
        case "down":
            print(f"bed {bed.number} is down, {down(bed)} processes ended")
        case "wipe":
            wipe(bed)
            print(f"bed {bed.number} is down and forgotten")
        case "status":
            return 0 if status(bed) else 1
        case "restart":
            daemons.restart(bed, options.daemons)
        case "versions":
            versions(bed)
    return 0


def main() -> int:
    try:
        return run(arguments())
    except BedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"testbed: {error.filename} is not open to this user: run this as root", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("testbed: interrupted; `down` removes what was begun", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
