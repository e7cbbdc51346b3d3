"""Method x kind of pod x runtime, on the real cluster: the cell works, or it is refused with its sentence.

`n1` runs containerd 1.6, `n2` 2.1. Ephemeral containers stay in a pod's spec, so that method gets pods of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods import ladder
from k8s_extcap.model.errors import MethodError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest, Connection, Helper
from k8s_extcap.run.executor import Executor
from k8s_extcap.run.session import open_session
from k8s_extcap.run.stop import Stop
from testbed.cluster.handle import Cluster
from tests.cluster.drive import Drive, drive, facts_of, node_target, target_of

pytestmark = pytest.mark.cluster

WORKS = "works"
NO_RAW = "lacks the capability NET_RAW"
NO_SHELL = "no shell"
NO_TCPDUMP = "it has no tcpdump"

# kind: (pod, resident, upload, ephemeral, nsenter); a cell is WORKS or a part of the refusal's sentence.
TABLE: dict[str, tuple[str, str, str, str, str]] = {
    "ordinary": ("team/client", NO_TCPDUMP, WORKS, WORKS, WORKS),
    "tcpdump": ("team/tcpdump", WORKS, WORKS, WORKS, WORKS),
    "several": ("hard/several", WORKS, WORKS, WORKS, WORKS),
    "not root": ("hard/nonroot", NO_TCPDUMP, NO_RAW, WORKS, WORKS),
    "not root, tcpdump": ("hard/nonroot-tcpdump", NO_RAW, NO_RAW, WORKS, WORKS),
    "file capability": ("hard/filecaps", WORKS, NO_RAW, WORKS, WORKS),
    "read-only": ("hard/readonly", NO_TCPDUMP, WORKS, WORKS, WORKS),
    "read-only, tcpdump": ("hard/readonly-tcpdump", WORKS, WORKS, WORKS, WORKS),
    "no capabilities": ("hard/nocaps", NO_RAW, NO_RAW, WORKS, WORKS),
    "scratch": ("hard/scratch", NO_SHELL, NO_SHELL, WORKS, WORKS),
    "strict": ("hard/strict", NO_SHELL, NO_SHELL, WORKS, WORKS),
    "strict, shell": ("hard/strict-shell", NO_TCPDUMP, NO_RAW, WORKS, WORKS),
    "node's network": ("hard/hostnet", NO_TCPDUMP, WORKS, WORKS, WORKS),
    "sidecar": ("hard/sidecar", NO_TCPDUMP, WORKS, WORKS, WORKS),
    "baseline": ("baseline/shell", NO_TCPDUMP, WORKS, WORKS, WORKS),
    "restricted": ("restricted/strict", NO_TCPDUMP, NO_RAW, "violates PodSecurity", WORKS),
    "crashing": ("hard/crash", "none of its containers runs", "none of its", "none of its", "none of its"),
}
METHODS = ("resident", "upload", "ephemeral", "nsenter")


@pytest.fixture(scope="module")
def session(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    cluster.need_bed("pods of every hard kind")
    patch = pytest.MonkeyPatch()
    patch.setenv("K8S_EXTCAP_HOME", str(tmp_path_factory.mktemp("home")))
    yield open_session(Connection(kubeconfig=str(cluster.admin)))
    patch.undo()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    return tmp_path


def ask(cluster: Cluster, method: Any, **more: Any) -> CaptureRequest:
    """The helper runs in the tests' own namespace, which enforces nothing."""
    helper = Helper(image=cluster.image("helper"), namespace=cluster.namespace)
    given = {
        "method": method,
        "output": "pcap",
        "helper": helper,
        "connection": Connection(kubeconfig=str(cluster.admin)),
        **more,
    }
    return CaptureRequest(Name("pod"), **given)


def run(session: Session, request: CaptureRequest, target: Target, **more: Any) -> Drive:
    return asyncio.run(drive(session, request, target, secrets.token_hex(5), packets=3, seconds=20, **more))


@pytest.fixture(scope="module")
def own(cluster: Cluster, session: Session) -> Iterator[dict[str, str]]:
    """Namespaces of the module by policy, with copies of the hard pods: entries in them go when they go."""
    levels = {"hard": "privileged", "team": "privileged", "baseline": "baseline", "restricted": "restricted"}
    made: dict[str, str] = {}
    for level in dict.fromkeys(levels.values()):
        made[level] = cluster.new_namespace()
        cluster.kubectl("label", "namespace", made[level], f"pod-security.kubernetes.io/enforce={level}")
    for pod, *cells in TABLE.values():
        place, _, name = pod.partition("/")
        for node in ("n1", "n2") if cells[2] == WORKS else ():
            copy(cluster, place, f"{name}-{node}", made[levels[place]])
    yield {place: made[level] for place, level in levels.items()}
    for namespace in made.values():
        cluster.delete_namespace(namespace)


def copy(cluster: Cluster, place: str, name: str, namespace: str) -> None:
    spec = cluster.get("pod", name, "-n", place)["spec"]
    for key in ("nodeName", "serviceAccount", "serviceAccountName", "tolerations", "ephemeralContainers", "volumes"):
        spec.pop(key, None)
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        container.pop("volumeMounts", None)
    spec["automountServiceAccountToken"] = False
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))


@pytest.mark.parametrize("node", ["n1", "n2"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", TABLE)
def test_cell(cluster: Cluster, session: Session, own: dict[str, str], kind: str, method: str, node: str) -> None:
    pod, *cells = TABLE[kind]
    place, _, name = pod.partition("/")
    wanted = cells[METHODS.index(method)]
    name = f"{name}-{node}"
    if method == "ephemeral" and wanted == WORKS:
        place = own[place]
        cluster.wait_ready(name, place)
    target = target_of(session, place, name)
    # A pod in the node's network is asked for the interface that the bed's pods send through.
    request = ask(cluster, method, interface="cni0" if kind == "node's network" else "")
    if wanted != WORKS:
        with pytest.raises(MethodError) as caught:
            ladder.plan(request, target, asyncio.run(facts_of(session, request, target)), "0" * 10)
        assert wanted in caught.value.sentence
        return
    before = cluster.get("pod", name, "-n", place)["status"]
    done = run(session, request, target)
    assert len(done.packets) >= 3, done.said
    assert done.code == 0, done.said
    assert done.leftover == []
    after = cluster.get("pod", name, "-n", place)["status"]
    restarts = [[c["restartCount"] for c in s["containerStatuses"]] for s in (before, after)]
    assert restarts[0] == restarts[1]


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_several_captures_use_one_ephemeral_container(
    cluster: Cluster, session: Session, own: dict[str, str], node: str
) -> None:
    name = f"client-{node}"
    cluster.wait_ready(name, own["team"])
    for _ in range(3):
        run(session, ask(cluster, "ephemeral"), target_of(session, own["team"], name))
    entries = cluster.get("pod", name, "-n", own["team"])["spec"]["ephemeralContainers"]
    assert len(entries) == 1


@pytest.mark.parametrize("interface", ["", "host"])
def test_nsenter_sees_this_pods_packets_and_no_others(cluster: Cluster, session: Session, interface: str) -> None:
    target = target_of(session, "team", "tcpdump-n1")
    address = bytes(int(part) for part in target.pod.ips[0].split("."))
    done = run(session, ask(cluster, "nsenter", interface=interface, filter="ip"), target)
    assert done.packets
    assert all(address in (p[26:30], p[30:34]) for p in done.packets)


def test_nsenter_leaves_nothing(cluster: Cluster, session: Session) -> None:
    done = run(session, ask(cluster, "nsenter"), target_of(session, "team", "client-n2"))
    assert done.plan.steps[0].body["kind"] == "Job"
    label = "app.kubernetes.io/managed-by=k8s-extcap"
    end = time.monotonic() + 20
    while left := cluster.kubectl("get", "job,pod", "-n", cluster.namespace, "-l", label, "-o", "name"):
        assert time.monotonic() < end, left
        time.sleep(0.2)


def test_a_wrong_identity_ends_before_a_packet_is_read(cluster: Cluster, session: Session) -> None:
    """The look-up is pointed at another pod, then given an address that is elsewhere: both are refused."""
    import msgspec

    right = target_of(session, "team", "client-n1").pod
    stranger = msgspec.structs.replace(right, metadata=msgspec.structs.replace(right.metadata, uid="0" * 8))
    elsewhere = msgspec.structs.replace(
        right, status=msgspec.structs.replace(right.status, pod_ip="10.9.9.9", pod_ips=())
    )
    for pod, words in ((stranger, "no process on this node"), (elsewhere, "does not have the address")):
        target = Target("c", "team", pod, node="n1")
        done = asyncio.run(drive(session, ask(cluster, "nsenter"), target, secrets.token_hex(5), packets=1, seconds=5))
        assert done.octets == 0
        assert words in done.said
        assert done.leftover == []


def test_a_helper_tolerates_a_tainted_node_or_says_so(cluster: Cluster, session: Session) -> None:
    with cluster.tainted("n2"):
        target = target_of(session, "team", "client-n2")
        assert run(session, ask(cluster, "nsenter"), target).packets
        refusing = Helper(image=cluster.image("helper"), namespace=cluster.namespace, tolerations="none")
        with pytest.raises(MethodError, match="node n2 has taints"):
            run(session, ask(cluster, "nsenter", helper=refusing), target)


def test_a_namespace_that_refuses_the_helper_says_so_in_its_own_words(cluster: Cluster, session: Session) -> None:
    helper = Helper(image=cluster.image("helper"), namespace="restricted")
    with pytest.raises(MethodError, match=r"violates PodSecurity .*--helper-namespace"):
        run(session, ask(cluster, "nsenter", helper=helper), target_of(session, "team", "client-n1"))


@pytest.fixture
def crowded(cluster: Cluster) -> Iterator[str]:
    """A namespace whose quota leaves no room for a pod."""
    namespace = cluster.new_namespace()
    cluster.kubectl("create", "quota", "full", "--hard=pods=0", "-n", namespace)
    end = time.monotonic() + 30
    while "used" not in cluster.get("quota", "full", "-n", namespace).get("status", {}):
        assert time.monotonic() < end
        time.sleep(0.1)
    yield namespace
    cluster.delete_namespace(namespace)


def test_a_quota_that_refuses_a_jobs_pod_is_told_in_its_own_words(
    cluster: Cluster, session: Session, crowded: str
) -> None:
    """As somebody meets it who may create Jobs and no pods: then there is no dry run of the pod."""
    asked = ask(cluster, "nsenter", helper=Helper(image=cluster.image("helper"), namespace=crowded))
    target, capture = target_of(session, "team", "client-n1"), secrets.token_hex(5)
    known = replace(asyncio.run(facts_of(session, asked, target)), dry_run={})
    plan = ladder.plan(asked, target, known, capture)
    assert plan.steps[0].body["kind"] == "Job"
    executor = Executor(session, capture)

    async def done() -> None:
        try:
            await executor.execute(plan, Stop())
        finally:
            await executor.unwind()

    with pytest.raises(MethodError, match=r"No pod is made for helper job .*exceeded quota: full.*--helper-namespace"):
        asyncio.run(done())
    assert not cluster.kubectl("get", "jobs", "-n", crowded, "-l", f"k8s-extcap/capture={capture}", "-o", "name")


def test_without_a_helper_image_nothing_is_created(cluster: Cluster, session: Session) -> None:
    with pytest.raises(MethodError, match="--helper-image"):
        run(session, ask(cluster, "nsenter", helper=Helper()), target_of(session, "team", "client-n1"))


@pytest.mark.parametrize(
    ("image", "words"),
    [("localhost/no-such-image:1", "cannot be pulled"), ("localhost/web:1", "has no sh")],
)
def test_an_image_that_cannot_work_is_said_within_seconds(
    cluster: Cluster, session: Session, namespace: str, image: str, words: str
) -> None:
    copy(cluster, "team", "client-n1", namespace)
    cluster.wait_ready("client-n1", namespace)
    request = ask(cluster, "ephemeral", helper=Helper(image=image))
    with pytest.raises(MethodError, match=words):
        run(session, request, target_of(session, namespace, "client-n1"))


def test_a_node_shows_the_packets_between_nodes(cluster: Cluster, session: Session) -> None:
    done = run(session, ask(cluster, "nsenter", interface="to-n2"), node_target(session, cluster.namespace, "n1"))
    assert len(done.packets) >= 3, done.said


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_copy_runs_and_goes(cluster: Cluster, session: Session, node: str) -> None:
    done = run(session, ask(cluster, "copy"), target_of(session, "team", f"client-{node}"))
    assert len(done.packets) >= 3, done.said
    gone(cluster, "team", done.plan.steps[0].name)


def test_a_copy_with_service_labels_takes_traffic_and_is_adopted_by_nobody(cluster: Cluster, session: Session) -> None:
    pods = cluster.pods("app=web")
    request = ask(cluster, "copy", service_labels=True, filter="tcp port 8080")
    done = run(session, request, target_of(session, "team", pods[0].name))
    assert len(done.packets) >= 3, done.said
    assert {p.name for p in cluster.pods("app=web")} >= {p.name for p in pods}
    gone(cluster, "team", done.plan.steps[0].name)


def test_a_copy_is_admitted_where_storage_is_counted(cluster: Cluster, session: Session, namespace: str) -> None:
    """Its own volume is none of a LimitRange's or quota's business: they count what containers ask for."""
    storage = {"ephemeral-storage": "64Mi"}
    limits = {"limits": [{"type": "Container", "default": storage, "defaultRequest": storage, "max": storage}]}
    # Exactly three containers: the pod's own, and the two of its copy.
    quota = {"hard": {f"{kind}.ephemeral-storage": "192Mi" for kind in ("requests", "limits")}}
    for kind, spec in (("LimitRange", limits), ("ResourceQuota", quota)):
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "storage"}, "spec": spec}
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))
    copy(cluster, "team", "client-n1", namespace)
    cluster.wait_ready("client-n1", namespace)
    done = run(session, ask(cluster, "copy"), target_of(session, namespace, "client-n1"))
    assert len(done.packets) >= 3, done.said
    gone(cluster, namespace, done.plan.steps[0].name)


def test_copies_that_would_do_harm_are_refused(cluster: Cluster, session: Session) -> None:
    for name, words in (("db-0", "belongs to StatefulSet db"), (cluster.pods("app=agent")[0].name, "DaemonSet")):
        with pytest.raises(MethodError, match=words):
            run(session, ask(cluster, "copy"), target_of(session, "team", name))


def gone(cluster: Cluster, namespace: str, name: str) -> None:
    end = time.monotonic() + 20
    while cluster.kubectl("get", "pod", name, "-n", namespace, "--ignore-not-found"):
        assert time.monotonic() < end, name
        time.sleep(0.2)
