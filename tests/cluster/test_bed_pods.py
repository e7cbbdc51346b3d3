"""The catalogue's pods are in the state that their manifest promises, on both nodes."""

from __future__ import annotations

import pytest

from testbed.cluster import manifests
from testbed.cluster.bed import default_bed
from testbed.cluster.handle import Cluster
from testbed.images import recipes
from testbed.wait import until

pytestmark = pytest.mark.cluster
NODES = pytest.mark.parametrize("node", ["n1", "n2"])
CAPTURE = "timeout -s INT {seconds} tcpdump {root} -U --immediate-mode -ni eth0 -c 3 -w /dev/null"


def tcpdump(cluster: Cluster, pod: str, container: str = "app") -> str:
    """What tcpdump says when it is started in a container for three packets, or until six seconds are over."""
    words = CAPTURE.format(seconds=6, root=" ".join(recipes.stays_root())).split()
    return cluster.kubectl("exec", "-n", cluster.pod(pod).namespace, pod, "-c", container, "--", *words, check=False)


def test_every_pod_of_the_catalogue_is_as_expected(cluster: Cluster) -> None:
    cluster.need_bed("catalogue")
    ours = {item["metadata"]["name"] for item in cluster.get("namespaces", "-l", "testbed=yes")["items"]}
    pods = [pod for pod in cluster.get("pods", "-A")["items"] if pod["metadata"]["namespace"] in ours]
    made_by_tests = [pod for pod in pods if "shows" not in pod["metadata"].get("annotations", {})]
    shown = [pod for pod in pods if pod not in made_by_tests]
    assert len(shown) >= 50
    assert [pod["metadata"]["name"] for pod in shown if not manifests.as_expected(pod)] == []


@NODES
@pytest.mark.parametrize("name", ["tcpdump", "readonly-tcpdump", "filecaps", "tight-tcpdump", "restarts"])
def test_captures(cluster: Cluster, name: str, node: str) -> None:
    cluster.need_bed("catalogue")
    assert "3 packets captured" in tcpdump(cluster, f"{name}-{node}")


@NODES
@pytest.mark.parametrize("name", ["nocaps", "nonroot-tcpdump"])
def test_capture_is_refused_by_the_kernel(cluster: Cluster, name: str, node: str) -> None:
    cluster.need_bed("catalogue")
    assert "Operation not permitted" in tcpdump(cluster, f"{name}-{node}")


@NODES
@pytest.mark.parametrize("name", ["client", "nonroot", "readonly", "strict-shell", "tight", "hostnet", "sidecar"])
def test_has_a_shell_and_no_tcpdump(cluster: Cluster, name: str, node: str) -> None:
    cluster.need_bed("catalogue")
    pod = cluster.pod(f"{name}-{node}")
    shell = ["exec", "-n", pod.namespace, pod.name, "-c", "app", "--", "sh", "-c"]
    assert cluster.kubectl(*shell, "command -v tcpdump || echo none").strip() == "none"


@NODES
@pytest.mark.parametrize(("name", "uid"), [("nonroot", "10001"), ("filecaps", "10001"), ("readonly", "0")])
def test_runs_as(cluster: Cluster, name: str, uid: str, node: str) -> None:
    cluster.need_bed("catalogue")
    assert cluster.kubectl("exec", "-n", "hard", f"{name}-{node}", "--", "id", "-u").strip() == uid


@NODES
@pytest.mark.parametrize("name", ["readonly", "readonly-tcpdump", "strict-shell"])
def test_root_file_system_is_read_only(cluster: Cluster, name: str, node: str) -> None:
    cluster.need_bed("catalogue")
    said = cluster.kubectl("exec", "-n", "hard", f"{name}-{node}", "--", "touch", "/tmp/x", check=False)
    assert "Read-only file system" in said


@NODES
@pytest.mark.parametrize("name", ["scratch", "strict"])
def test_nothing_to_exec(cluster: Cluster, name: str, node: str) -> None:
    cluster.need_bed("catalogue")
    said = cluster.kubectl("exec", "-n", "hard", f"{name}-{node}", "--", "/bin/sh", check=False)
    assert "no such file or directory" in said


@NODES
def test_second_interface_has_traffic(cluster: Cluster, node: str) -> None:
    cluster.need_bed("catalogue")
    names = cluster.kubectl("exec", "-n", "hard", f"nics-{node}", "--", "ls", "/sys/class/net").split()
    if "net1" not in names:
        pytest.skip("this kernel has no macvlan: the pod nics has one interface only")
    counter = ["exec", "-n", "hard", f"nics-{node}", "--", "cat", "/sys/class/net/net1/statistics/tx_packets"]
    assert int(cluster.kubectl(*counter)) > 0


@NODES
def test_the_native_sidecar_runs_beside_the_application(cluster: Cluster, node: str) -> None:
    cluster.need_bed("catalogue")
    status = cluster.get("pod", "-n", "hard", f"sidecar-{node}")["status"]
    assert "running" in status["initContainerStatuses"][0]["state"]
    assert "running" in status["containerStatuses"][0]["state"]


@NODES
def test_host_network_pod_has_the_address_of_its_node(cluster: Cluster, node: str) -> None:
    cluster.need_bed("catalogue")
    number = int(node.removeprefix("n"))
    assert cluster.pod(f"hostnet-{node}").ip == default_bed().node(number).address


@NODES
@pytest.mark.parametrize(
    ("name", "reason"),
    [("init", "PodInitializing"), ("crash", "CrashLoopBackOff"), ("noimage", "ErrImageNeverPull")],
)
def test_never_ready(cluster: Cluster, name: str, reason: str, node: str) -> None:
    cluster.need_bed("catalogue")
    state = cluster.get("pod", "-n", "hard", f"{name}-{node}")["status"]["containerStatuses"][0]["state"]
    reasons = {inner.get("reason") for inner in state.values()}
    assert reasons & {reason, "Error"}  # crash is in Error or running for a moment between two back-offs


def test_a_pod_restarts_when_asked(cluster: Cluster, namespace: str) -> None:
    """In a copy of our own: the catalogue's pod may be somebody else's target just now."""
    cluster.need_bed("catalogue")
    spec = cluster.get("pod", "-n", "hard", "restarts-n1")["spec"]
    cluster.kubectl("run", "again", "-n", namespace, f"--image={cluster.image('traffic')}", "--grace-period=1",
                    "--command", "--", *spec["containers"][0]["command"])  # fmt: skip
    cluster.wait_ready("again", namespace)
    cluster.kubectl("exec", "-n", namespace, "again", "--", "kill", "1", check=False)

    def restarts() -> int:
        return int(cluster.get("pod", "-n", namespace, "again")["status"]["containerStatuses"][0]["restartCount"])

    assert until(lambda: restarts() > 0, 60, every=0.5)
    assert restarts() == 1


def test_policies_refuse_what_they_should(cluster: Cluster, namespace: str) -> None:
    cluster.need_bed("catalogue")
    helper = (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: helper}}\nspec:\n  hostPID: true\n"
        f"  containers: [{{name: c, image: '{cluster.image('helper')}'}}]\n"
    )
    refusals = {
        "baseline": 'violates PodSecurity "baseline:latest": host namespaces (hostPID=true)',
        "restricted": 'violates PodSecurity "restricted:latest"',
        "quota": "exceeded quota: full",
        namespace: "created (server dry run)",
    }
    for place, text in refusals.items():
        words = ["create", "--dry-run=server", "-n", place, "-f", "-"]
        pod = helper.replace("'}", "', resources: {requests: {memory: 1Mi}}}") if place == "quota" else helper
        assert text in cluster.kubectl(*words, stdin=pod, check=False), place


def test_limits_come_from_the_limit_range(cluster: Cluster) -> None:
    cluster.need_bed("catalogue")
    container = cluster.get("pod", "-n", "limits", "app-n1")["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"memory": "64Mi", "cpu": "200m"}


def test_a_taint_keeps_out_whom_it_should(cluster: Cluster, namespace: str) -> None:
    pin = {"spec": {"nodeSelector": {"kubernetes.io/hostname": "n2"}}}
    with cluster.tainted("n2"):
        words = ["run", "plain", "-n", namespace, f"--image={cluster.image('web')}", f"--overrides={json_text(pin)}"]
        cluster.kubectl(*words)
        event = 'jsonpath={.status.conditions[?(@.type=="PodScheduled")].status}=False'
        cluster.kubectl("wait", "-n", namespace, "pod/plain", f"--for={event}", "--timeout=30s")
        pin["spec"]["tolerations"] = [{"key": "testbed", "operator": "Exists"}]  # type: ignore[assignment]
        words = ["run", "tolerant", "-n", namespace, f"--image={cluster.image('web')}", f"--overrides={json_text(pin)}"]
        cluster.kubectl(*words)
        cluster.wait_ready("tolerant", namespace)
    assert cluster.wait_ready("plain", namespace).node == "n2"


def json_text(value: object) -> str:
    import json

    return json.dumps(value)


def test_every_image_is_on_every_node(cluster: Cluster) -> None:
    cluster.need_bed("node access")
    wanted = {f"localhost/{name}:1" for name in ("web", "busybox", "tcpdump", "filecaps", "helper", "traffic", "pause")}
    for node in cluster.get("nodes")["items"]:
        present = {name for image in node["status"]["images"] for name in image["names"]}
        assert wanted <= present
