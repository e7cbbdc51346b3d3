"""What a real API server and a real kubelet say when they refuse, shown by the real tshark."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from testbed.cluster.handle import Cluster
from testbed.demo import certs
from testbed.wait import until
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.tshark]


@pytest.fixture
def stage(tshark_native: Tshark, cluster: Cluster) -> Stage:
    cluster.need_bed("pods of every hard kind")
    made = Stage(tshark_native)
    made.config(cluster.kubeconfig)
    return made


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    """A namespace with pods that cannot be captured, each for a reason of its own."""
    name = cluster.new_namespace()
    for manifest in (
        pod(cluster, "pending", ["sleep", "1000"], nodeSelector={"no": "such-node"}),
        pod(cluster, "completed", ["true"], restartPolicy="Never"),
        pod(cluster, "no-image", ["sleep", "1000"], image="registry.invalid/app:1"),
        pod(cluster, "running", ["sleep", "1000"]),
        pod(cluster, "going", ["sleep", "1000"]),
    ):
        cluster.kubectl("create", "-n", name, "-f", "-", stdin=json.dumps(manifest))
    cluster.wait_ready("running", name)
    cluster.wait_ready("going", name)
    cluster.kubectl(
        "wait", "-n", name, "--for=jsonpath={.status.phase}=Succeeded", "pod/completed", "--timeout=60s", timeout=70
    )
    cluster.kubectl(
        "wait", "-n", name, "pod/no-image", "--timeout=60s",
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", timeout=70,
    )  # fmt: skip
    yield name
    cluster.delete_namespace(name)


def pod(cluster: Cluster, name: str, command: list[str], image: str = "", **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": image or cluster.image("tcpdump"), "command": command}
    full = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [main], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": full}


class Case(NamedTuple):
    """`NS` in an interface's name stands for the test's namespace."""

    key: str
    interface: str
    options: tuple[str, ...]
    when: str
    do: str


SHORT = ("--wait", "1")
CASES = (
    Case("real-pod-gone", "k8s-pod-team.gone", (), "The pod is not there.", "Refresh the list."),
    Case("real-namespace-gone", "k8s-pod-nowhere.gone", (), "The namespace is not there.", "Refresh the list."),
    Case("real-container-gone", "k8s-container-NS.running.zz", (), "No such container.", "Take one of those."),
    Case("real-node-gone", "k8s-node-nowhere", (), "The node is not there.", "k8s-extcap list."),
    Case("real-pod-pending", "k8s-pod-NS.pending", SHORT, "The pod is not scheduled.", "kubectl describe pod."),
    Case("real-pod-completed", "k8s-pod-NS.completed", (), "The pod has completed.", "Choose one that runs."),
    Case("real-pod-no-image", "k8s-pod-NS.no-image", SHORT, "The pod's image is not there.", "kubectl describe pod."),
    Case("real-no-shell", "k8s-pod-hard.scratch-n1", ("--allow", "upload"), "The image has no shell.",
         "Allow ephemeral."),
    Case("real-no-capability", "k8s-pod-hard.nocaps-n1", ("--method", "upload"), "The pod drops NET_RAW.",
         "Use ephemeral, or auto."),
    Case("real-policy", "k8s-pod-restricted.strict-n1", (), "Pod security refuses an ephemeral container.",
         "nsenter with a helper elsewhere, or the label."),
    Case("real-filter", "k8s-pod-team.tcpdump-n1", ("--filter", "tcp port"), "The filter is wrong (resident).",
         "Correct it."),
    Case("real-filter-upload", "k8s-pod-team.client-n2", ("--filter", "tcp port"), "The filter is wrong (upload).",
         "Correct it."),
    Case("real-nic", "k8s-pod-team.client-n1", ("--nic", "eth7"), "No such network interface.", "Leave it empty."),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.key)
def test_what_cannot_be_captured(case: Case, stage: Stage, place: str, cluster: Cluster) -> None:
    shown = stage.show(case.interface.replace("NS", place), *case.options)
    # The kubelet says "pull failed" and "backing off" in turn, in the runtime's words.
    said = shown.sentence.partition("runs (")[2].partition("). '")[0] if "image" in case.key else ""
    context = cluster.kubectl("config", "current-context").strip()  # it has the number of the bed
    names = {place: "NAMESPACE", context: "testbed", **({said: "WHY"} if said else {})}
    check(case.key, shown, case.when, case.do, names)
    assert "step patch" not in stage.log()


HELPERS = (
    Case("real-helper-policy", "k8s-pod-team.client-n1", ("--helper-namespace", "restricted"),
         "Pod security refuses the helper.", "Use another helper namespace."),
    Case("real-helper-quota", "k8s-pod-team.client-n1", ("--helper-namespace", "quota"), "A quota refuses the helper.",
         "Use another helper namespace."),
    Case("real-helper-namespace", "k8s-pod-team.client-n1", ("--helper-namespace", "nowhere"),
         "The helper's namespace is not there.", "Correct the option."),
)  # fmt: skip


@pytest.mark.parametrize("case", HELPERS, ids=lambda c: c.key)
def test_a_helper_that_is_refused(case: Case, stage: Stage, cluster: Cluster) -> None:
    shown = stage.show(case.interface, "--method", "nsenter", "--helper-image", cluster.image("helper"), *case.options)
    check(case.key, shown, case.when, case.do)


def test_a_helper_image_that_is_not_there(stage: Stage, cluster: Cluster) -> None:
    options = ("--method", "nsenter", "--helper-namespace", cluster.namespace, "--helper-image", "registry.invalid/h:1")
    shown = stage.show("k8s-pod-team.client-n1", *options, timeout=90)
    assert shown.kind == "MethodError"
    assert "registry.invalid/h:1" in shown.sentence  # the rest is the runtime's words for a failed download
    assert "cannot be pulled" in shown.sentence
    assert until(lambda: not cluster.kubectl("get", "pods,jobs", "-n", cluster.namespace, "-o", "name"), 30)


def test_a_pod_that_is_deleted_meanwhile(stage: Stage, cluster: Cluster, place: str) -> None:
    process = stage.start(f"k8s-pod-{place}.going", "--filter", "")
    assert until(lambda: "exec in container" in stage.log(), 30)
    cluster.kubectl("delete", "pod", "going", "-n", place, "--grace-period=0", "--force", check=False)
    shown = stage.finish(process)
    assert shown.kind == "TargetError"  # it would have gone on in another container, but not in another pod
    assert f"Pod {place}/going is not there" in shown.sentence


# Who asks


def someone(cluster: Cluster, place: str, *rules: str) -> str:
    """A kubeconfig of a service account that may do this in the namespace: `get,list pods`."""
    name = f"u{abs(hash(rules)) % 10**8}"
    cluster.kubectl("create", "serviceaccount", name, "-n", place)
    for number, rule in enumerate(rules):
        verbs, _, resource = rule.partition(" ")
        cluster.kubectl("create", "role", f"{name}-{number}", "-n", place, f"--verb={verbs}", f"--resource={resource}")
        cluster.kubectl(
            "create", "rolebinding", f"{name}-{number}", "-n", place, f"--role={name}-{number}",
            f"--serviceaccount={place}:{name}",
        )  # fmt: skip
    token = cluster.kubectl("create", "token", name, "-n", place).strip()
    return with_user(cluster, {"token": token})


def with_user(cluster: Cluster, user: dict[str, Any]) -> str:
    tree = yaml.safe_load(cluster.kubeconfig.read_text())
    tree["users"][0]["user"] = user
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("key", "rules", "when", "do"),
    [
        ("real-no-create", ("get,list pods", "get pods/exec"), "pods/exec may be got but not created.", "Ask for it."),
        ("real-no-exec", ("get,list pods",), "Nothing of pods/exec is allowed.", "Ask for it."),
        ("real-no-pods", ("get,create pods/exec",), "Pods may not be read.", "Ask for it."),
    ],
)
def test_what_a_user_may_not(
    stage: Stage, cluster: Cluster, place: str, key: str, rules: tuple[str, ...], when: str, do: str
) -> None:
    stage.config(someone(cluster, place, *rules))
    shown = stage.show(f"k8s-pod-{place}.running")
    name = shown.sentence.partition(f"system:serviceaccount:{place}:")[2].partition('"')[0]
    check(key, shown, when, do, {place: "NAMESPACE", **({name: "USER"} if name else {})})


@pytest.mark.parametrize(
    ("key", "user", "when", "do"),
    [
        ("real-token-wrong", {"token": "eyJhbGciOiJub25lIn0.e30."}, "The token is not accepted.", "Log in again."),
        ("real-token-none", {}, "There are no credentials.", "Log in."),
    ],
)
def test_who_you_are_not(stage: Stage, cluster: Cluster, key: str, user: dict[str, Any], when: str, do: str) -> None:
    stage.config(with_user(cluster, user))
    check(key, stage.show("k8s-pod-team.tcpdump-n1"), when, do)


def test_a_cluster_of_another_authority(stage: Stage, cluster: Cluster) -> None:
    tree = yaml.safe_load(cluster.kubeconfig.read_text())
    other = certs.make("127.0.0.1", ("localhost",), ("127.0.0.1",)).authority
    tree["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(other.encode()).decode()
    stage.config(json.dumps(tree))
    check("real-tls", stage.show("k8s-pod-team.tcpdump-n1"), "Another authority signed the server's certificate.",
          "Get the kubeconfig anew.")  # fmt: skip
