"""python -m bench [hot|stream|start|all] [--runs N] [--json FILE] [--markdown FILE]

Ratios in one run against `kubectl exec` on the real cluster, a bare interpreter and a tshark without us. Needs the test
bed (python -m testbed.cluster up) for `stream` and `start`; prints how idle the machine is.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import hot, measure, stream
from bench.table import Table
from testbed.cluster import state
from testbed.cluster.bed import CURRENT, default_bed
from testbed.cluster.handle import Cluster, nodes_of


def cluster() -> Cluster:
    bed = default_bed()
    if state.read(bed) is None:
        sys.exit("bench: the test cluster is not up. Run: python -m testbed.cluster up")
    kubectl = bed.binaries(CURRENT) / "kubectl"
    return Cluster(bed.kubeconfig, kubectl, nodes_of(kubectl, bed.kubeconfig), "team")


def tables(what: str, runs: int) -> Iterator[Table]:
    if what in ("hot", "all"):
        yield hot.calls()
        yield hot.loopback()
        yield hot.scan()
    if what in ("start", "all"):
        yield stream.first_packet(cluster(), runs)
    if what in ("stream", "all"):
        real = cluster()
        yield stream.bulk(real, "idle-n1", runs)
        yield stream.bulk(real, "idle-n2", runs)
        for pod, peer in (("idle-n1", "idle-n2"), ("idle-n2", "idle-n1")):
            yield stream.compare(real, pod, real.pod(peer).ip, runs)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios; see docs/benchmarks.md.")
    parser.add_argument("what", nargs="?", default="all", choices=["hot", "stream", "start", "all"])
    parser.add_argument("--runs", type=int, default=measure.RUNS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    where = f"Python {platform.python_version()}, Linux {platform.release()}, {measure.idle()}."
    print(where, flush=True)
    done = []
    for table in tables(args.what, args.runs):
        table.notes.append(f"`python -m bench {args.what} --runs {args.runs}`; {where}")
        print(table.markdown(), flush=True)
        done.append(table)
    if args.json:
        args.json.write_text(json.dumps([t.json() for t in done], indent=1))
    if args.markdown:
        args.markdown.write_text("\n".join(t.markdown() for t in done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
