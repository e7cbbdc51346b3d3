"""What the helper pod may, and where its text comes from."""

from __future__ import annotations

import re
from dataclasses import replace

from k8s_extcap.methods import beside, helper, lookup
from tests.unit.methods.samples import HELPER, request


def test_it_mounts_nothing_of_the_node_and_has_no_more_rights_than_it_needs() -> None:
    spec = helper.pod_spec(request(helper=HELPER), "n1", "")
    assert [list(v) for v in spec["volumes"]] == [["name", "emptyDir"]]
    assert spec["automountServiceAccountToken"] is False
    assert spec["hostPID"] is True
    assert not {"hostNetwork", "hostIPC", "nodeName"} & set(spec)
    security = spec["containers"][0]["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN", "SYS_PTRACE", "NET_RAW"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["readOnlyRootFilesystem"] is True
    assert "privileged" not in security


def test_the_cluster_deletes_it_by_itself() -> None:
    job = helper.job(request(helper=HELPER), "n1", "k8s-extcap-x", "x", "")
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    notes = job["spec"]["template"]["metadata"]["annotations"]
    assert notes["sidecar.istio.io/inject"] == "false"
    assert job["metadata"]["labels"]["k8s-extcap/capture"] == "x"


def test_the_users_labels_never_replace_ours() -> None:
    asked = request(helper=replace(HELPER, labels=(("k8s-extcap/capture", "forged"), ("team", "net"))))
    made = helper.job(asked, "n1", "k8s-extcap-x", "x", "")
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        assert labels["k8s-extcap/capture"] == "x"
        assert labels["team"] == "net"


def test_the_kubelets_expansion_gives_the_text_back() -> None:
    container = helper.pod_spec(request(helper=HELPER), "n1", "kill $$ $(HOME)")["containers"][0]
    assert expanded(container["env"][1]["value"]) == "kill $$ $(HOME)"
    assert expanded(container["env"][0]["value"]) == lookup.text()
    assert expanded(container["command"][2]) == helper.WAIT
    ours = beside.entry("c", "i", ())
    assert expanded(ours["command"][2]) == beside.WAIT
    assert expanded(beside.evicting({}, ours, 1, 2)["containers"][0]["command"][2]) == beside.EVICT


def expanded(text: str) -> str:
    """As the kubelet does it (third_party/forked/golang/expansion): `$$` is a dollar, `$(NAME)` a variable's value."""
    return re.sub(r"\$(\$|\([A-Z_]+\))", lambda m: "$" if m[1] == "$" else "<value>", text)
