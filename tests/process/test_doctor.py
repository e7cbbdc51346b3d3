"""What doctor finds, and the Role it asks for, which the demo cluster's own rules then accept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_extcap.setup.doctor import NEEDS, role
from testbed.demo.cluster import DemoCluster

CODE = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"
pytestmark = pytest.mark.demo


def environment(home: Path, kubeconfig: Path) -> dict[str, str]:
    return {
        **os.environ, "HOME": str(home), "K8S_EXTCAP_HOME": str(home / "own"), "KUBECONFIG": str(kubeconfig),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip


def doctor(home: Path, kubeconfig: Path, *argv: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, "doctor", "--json", *argv],
        env=environment(home, kubeconfig), capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["topic"], []).append(finding)
    return done.returncode, found


def states(found: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    return {topic: {finding["state"] for finding in findings} for topic, findings in found.items()}


def test_a_user_who_may_everything(demo: DemoCluster, tmp_path: Path) -> None:
    code, found = doctor(tmp_path, demo.kubeconfig)
    for topic in ("cluster", *NEEDS):
        assert states(found)[topic] == {"good"}
    assert "permissions" not in found
    assert states(found)["launcher"] == {"bad"}
    assert found["launcher"][0]["advice"] == "k8s-extcap install"
    assert code == 1


def test_what_captures_may_use_is_one_line(demo: DemoCluster, tmp_path: Path) -> None:
    _, before = doctor(tmp_path, demo.kubeconfig)
    assert [finding["sentence"] for finding in before["May use"]] == ["up to ephemeral, the default"]
    given = [sys.executable, "-c", CODE, "allow", "nsenter"]
    subprocess.run(given, env=environment(tmp_path, demo.kubeconfig), check=True, capture_output=True, timeout=90)
    _, found = doctor(tmp_path, demo.kubeconfig)
    assert [finding["sentence"] for finding in found["May use"]] == [
        "up to nsenter in this context, by 'k8s-extcap allow'"
    ]


def test_a_user_who_may_not_exec_gets_the_role_to_ask_for(demo: DemoCluster, tmp_path: Path) -> None:
    code, found = doctor(tmp_path, demo.kubeconfig, "--context", "demo-viewer", "-n", "shop")
    assert code == 1
    assert states(found)["look at pods"] == {"good"}
    assert states(found)["capture (resident, upload)"] == {"bad"}
    asked = yaml.safe_load(found["permissions"][0]["yaml"])
    assert (asked["kind"], asked["metadata"]["namespace"]) == ("Role", "shop")
    assert {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]} in asked["rules"]
    assert not [rule for rule in asked["rules"] if "get" in rule["verbs"]], "only what is missing"


def test_one_namespace_is_the_normal_case(demo: DemoCluster, tmp_path: Path) -> None:
    _, found = doctor(tmp_path, demo.kubeconfig, "--context", "demo-dev")
    assert states(found)["capture (resident, upload)"] == {"good"}
    assert states(found)["capture (nsenter)"] == {"note"}


@pytest.mark.parametrize(("context", "said"), [("demo-expired", "log in again"), ("nowhere", "has no context")])
def test_a_cluster_that_cannot_be_used(demo: DemoCluster, tmp_path: Path, context: str, said: str) -> None:
    code, found = doctor(tmp_path, demo.kubeconfig, "--context", context)
    assert code == 1
    assert said in found["cluster"][0]["sentence"]


def test_no_kubeconfig_is_no_reason_to_stop_before_the_rest(tmp_path: Path) -> None:
    code, found = doctor(tmp_path, tmp_path / "none")
    assert code == 1
    assert "There is no kubeconfig" in found["cluster"][0]["sentence"]
    assert {"k8s-extcap", "dumpcap", "Wireshark", "launcher", "list", "log"} <= set(found)


def test_a_role_with_everything_is_one_document() -> None:
    parsed = yaml.safe_load(role("shop", NEEDS))
    rights = {(r["apiGroups"][0], r["resources"][0], verb) for r in parsed["rules"] for verb in r["verbs"]}
    wanted = {need for needs in NEEDS.values() for need in needs}
    assert rights == {(n.group, n.resource + ("/" + n.sub if n.sub else ""), n.verb) for n in wanted}
    assert ("batch", "jobs", "create") in rights
