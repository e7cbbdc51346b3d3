"""What is up, for people: nodes, daemons with their memory, pods by state."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from testbed.cluster import cgroups, manifests, state
from testbed.cluster.api import Api
from testbed.cluster.bed import VERSIONS, Bed, Node
from testbed.cluster.down import journal_of


def status(bed: Bed) -> bool:
    """Print it; True where the bed is up and healthy."""
    running = state.read(bed)
    if not running:
        left = len(journal_of(bed).entries())
        print(
            f"bed {bed.number} is down"
            + (f", with {left} things left by an `up` cut short: run `down`" if left else "")
        )
        return False
    print(f"bed {bed.number}: {running}\nkubeconfig: {bed.kubeconfig}")
    api = Api(bed)
    ready = api.ready_nodes()
    for item in api.nodes():
        info, name = item["status"]["nodeInfo"], item["metadata"]["name"]
        print(f"{name}: {'Ready' if name in ready else 'NOT Ready'}, kubelet {info['kubeletVersion']}, "
              f"{info['containerRuntimeVersion']}")  # fmt: skip
    for node in bed.nodes(running.nodes):
        print(f"{node.name} daemons: " + ", ".join(daemons(node)))
    states = Counter("as expected" if manifests.as_expected(pod) else "NOT as expected" for pod in api.pods())
    print("pods: " + (", ".join(f"{count} {name}" for name, count in states.items()) or "none"))
    return api.ready() and len(ready) == running.nodes


def daemons(node: Node) -> list[str]:
    """Each program of the node's system group, how many, and their memory; nsenter's waiting halves excepted."""
    count: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    group = next((g for g in cgroups.joins(node.host_name) if g.exists()), None)
    for pid in group.read_text().split() if group else ():
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue  # ended meanwhile
        fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        name = fields["Name"][0]
        if name != "nsenter" and "VmRSS" in fields:
            count[name] += 1
            memory[name] += int(fields["VmRSS"][0])
    return [f"{name}{f' x{n}' if n > 1 else ''} {memory[name] // 1024} MB" for name, n in sorted(count.items())]


def versions(bed: Bed) -> None:
    """Those known to be complete at the module proxy, and those that are built here."""
    folder = bed.root / "bin"
    built = {p.name for p in folder.iterdir() if (p / "kube-proxy").exists()} if folder.exists() else set()
    for version in sorted({*VERSIONS, *built}, key=lambda v: [int(x) for x in v.split(".")], reverse=True):
        print(f"{version}  {'built' if version in built else 'not built (about five minutes)'}")
