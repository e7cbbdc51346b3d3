"""The plans as they would be shown: each object and each word, in files to be read by people.

K8S_EXTCAP_GOLDEN=1 writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_extcap.methods import guard, helper, ladder, lookup
from k8s_extcap.methods.beside import EVICT, WAIT, literal
from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import Facts, Plan, Target
from tests.unit.methods.samples import BINARIES, HELPER, facts, inside, pod, request, target

FOLDER = Path(__file__).parents[2] / "golden" / "methods"
CAPTURE = "0123456789"
RAW = {"spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "shop/app:1"}]}}
RESIDENT = inside(tcpdump="/usr/bin/tcpdump", tcpdump_version=(4, 99, 3))
NODE = Target("ctx", "tools", Pod(), node="n1", is_node=True)

PLANS: dict[str, tuple[dict[str, Any], Target, Facts]] = {
    "resident": ({}, target(), facts(RESIDENT)),
    "upload": ({"filter": "tcp port 80"}, target(), facts()),
    "ephemeral": ({"method": "ephemeral"}, target(), facts()),
    "nsenter": ({"method": "nsenter", "helper": HELPER}, target(), facts()),
    "nsenter-host-end": ({"method": "nsenter", "helper": HELPER, "interface": "host"}, target(), facts()),
    "nsenter-bare-pod": (
        {"method": "nsenter", "helper": HELPER},
        target(),
        facts(may={"create jobs.batch": False}),
    ),
    "node": ({"helper": HELPER}, NODE, Facts(binaries=BINARIES, node_arch="amd64", api_port=6443)),
    "node-network": ({}, target(pod(host_network=True)), facts()),
    "copy": ({"method": "copy"}, target(), facts(raw=RAW)),
}


def shown(plan: Plan) -> str:
    """The long texts by their names; everything else as it is."""
    names = {
        guard.wrap(("x",), plan.execs[0].uploads)[2]: "<guard>",
        literal(guard.wrap(("x",), plan.execs[0].uploads)[2]): "<guard>",
        literal(lookup.text()): "<lookup>",
        literal(WAIT): "<wait>",
        literal(EVICT): "<wait, then be evicted>",
        literal(helper.WAIT): "<wait>",
    }

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: named(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [named(v) for v in value]
        return names.get(value, value) if isinstance(value, str) else value

    steps = [
        {"verb": s.verb, "path": s.path, "what": s.what, "undo": s.undo, "stays": s.stays, "body": named(s.body)}
        for s in plan.steps
    ]
    execs = [{"pod": e.pod, "container": e.container, "command": named(e.command)} for e in plan.execs]
    tree = {"method": plan.method, "why": plan.why, "leaves": plan.leaves, "steps": steps, "execs": execs}
    return yaml.safe_dump(tree, sort_keys=False, width=110)


@pytest.mark.parametrize("name", PLANS)
def test_the_plan_is_as_it_was_read(name: str) -> None:
    asked, whom, known = PLANS[name]
    text = shown(ladder.plan(request(output="pcap", **asked), whom, known, CAPTURE))
    file = FOLDER / f"{name}.yaml"
    if os.environ.get("K8S_EXTCAP_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
