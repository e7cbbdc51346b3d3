"""Every row of the table of refused handshakes, on the demo cluster and on a real one: one sentence for both.

The product looks at the pod before it asks for an exec, so most of these are seen only by a capture whose pod changes
in the same second (tests/process/test_errors_refused.py shows such ones through tshark): the exec is asked for here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from k8s_extcap.kube.exec import Command
from k8s_extcap.kube.once import run_exec
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster
from testbed.demo.cluster import DemoCluster
from testbed.demo.rawclient import Client, exec_path
from testbed.wait import until
from tests.golden.errors.golden import Shown, check


class Side(NamedTuple):
    """A cluster with pods `running`, `pending`, `completed` and `no-image` in `namespace`. `no_get` may read pods,
    `no_create` may get pods/exec but not create it: kubeconfigs.
    """

    kubeconfig: Path
    namespace: str
    no_get: Path
    no_create: Path


def manifest(name: str, image: str, command: list[str], **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": image, "command": command}
    full = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [main], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": full}


@pytest.fixture(scope="module")
def demo_side(demo: DemoCluster, tmp_path_factory: pytest.TempPathFactory) -> Side:
    """Its world has such pods, under other names; a user who may read pods but not exec is made of the viewer."""
    folder = tmp_path_factory.mktemp("demo")
    tree = json.loads(demo.kubeconfig.read_text())

    def as_context(name: str) -> Path:
        file = folder / name
        file.write_text(json.dumps({**tree, "current-context": name}))
        return file

    return Side(demo.kubeconfig, "lab", as_context("demo-dev"), as_context("demo-nocreate"))


@pytest.fixture(scope="module")
def real_side(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    folder, namespace = tmp_path_factory.mktemp("real"), cluster.new_namespace()
    image = cluster.image("tcpdump")
    for body in (
        manifest("sender", image, ["sleep", "1000"]),
        manifest("pending", image, ["sleep", "1000"], nodeSelector={"no": "such-node"}),
        manifest("once-x2j7k", image, ["true"], restartPolicy="Never"),
        manifest("no-image", "registry.invalid/app:1", ["sleep", "1000"]),
    ):
        cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(body))
    cluster.wait_ready("sender", namespace)
    cluster.kubectl(
        "wait", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "pod/once-x2j7k", "--timeout=60s",
        timeout=70,
    )  # fmt: skip
    # Before that the kubelet does not know the container and says less.
    waits = ("get", "pod", "no-image", "-n", namespace, "-o", "jsonpath={..state.waiting.reason}")
    assert until(lambda: "Image" in cluster.kubectl(*waits), 60, every=0.5)
    tree = yaml.safe_load(cluster.kubeconfig.read_text())

    def user(name: str, *rules: tuple[str, str]) -> Path:
        cluster.kubectl("create", "serviceaccount", name, "-n", namespace)
        for verb, resource in rules:
            role = f"{name}-{resource.replace('/', '-')}"
            cluster.kubectl("create", "role", role, "-n", namespace, f"--verb={verb}", f"--resource={resource}")
            account = f"--serviceaccount={namespace}:{name}"
            cluster.kubectl("create", "rolebinding", role, "-n", namespace, f"--role={role}", account)
        tree["users"][0]["user"] = {"token": cluster.kubectl("create", "token", name, "-n", namespace).strip()}
        file = folder / name
        file.write_text(json.dumps(tree))
        return file

    yield Side(
        cluster.kubeconfig,
        namespace,
        user("dev", ("get", "pods")),
        user("nocreate", ("get", "pods"), ("get", "pods/exec")),
    )
    cluster.delete_namespace(namespace)


@pytest.fixture(params=[pytest.param("demo", marks=pytest.mark.demo), pytest.param("real", marks=pytest.mark.cluster)])
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.getfixturevalue(f"{request.param}_side")
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))


def refused(kubeconfig: Path, namespace: str, pod: str, container: str = "") -> Shown:
    """What the exec of a command ends with."""
    session = open_session(Connection(kubeconfig=str(kubeconfig)))
    command = Command(namespace, pod, container, ("true",))
    with pytest.raises(ExtcapError) as caught:
        asyncio.run(run_exec(session, command))
    error = caught.value
    return Shown(error.sentence, type(error).__name__, error.exit_code)


ROWS = (
    ("handshake-pod", "gone", "", "The pod is gone by now.", "Refresh the list."),
    ("handshake-container", "sender", "zz", "The container is gone by now.", "Take one that it has."),
    ("handshake-pending", "pending", "", "The pod is not scheduled.", "kubectl describe pod."),
    ("handshake-completed", "once-x2j7k", "", "The container has ended.", "kubectl get pod."),
    ("handshake-image", "no-image", "", "The container has not started.", "kubectl get pod."),
)


@pytest.mark.parametrize(("key", "pod", "container", "when", "do"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row(side: Side, key: str, pod: str, container: str, when: str, do: str) -> None:
    shown = refused(side.kubeconfig, side.namespace, pod, container)
    # The kubelet names the container, which a pod of the demo's Job calls `once`.
    names = {f"{side.namespace}/": "NAMESPACE/", '("once")': '("main")'}
    check(key, shown, when, do, names)


def test_a_namespace_that_is_not_there(side: Side) -> None:
    check("handshake-namespace", refused(side.kubeconfig, "nowhere", "sender"), "The namespace is gone by now.",
          "Refresh the list.")  # fmt: skip


def test_no_get(side: Side) -> None:
    shown = refused(side.no_get, side.namespace, "sender")
    user = "dev" if side.namespace == "lab" else f"system:serviceaccount:{side.namespace}:dev"
    names = {f'"{user}"': '"USER"', f'"{side.namespace}"': '"NAMESPACE"', f"{side.namespace}/": "NAMESPACE/"}
    check("handshake-no-get", shown, "The verb get on pods/exec is missing.", "Ask for it.", names)


def test_no_create(side: Side) -> None:
    namespace, pod = ("shop", "edge") if side.namespace == "lab" else (side.namespace, "sender")
    check("handshake-no-create", refused(side.no_create, namespace, pod), "The verb create on pods/exec is missing.",
          "Ask for it.", {f"{namespace}/{pod}": "NAMESPACE/POD"})  # fmt: skip


@pytest.mark.parametrize(
    ("key", "user", "when", "do"),
    [
        ("handshake-token", {"token": "expired"}, "The token is not accepted.", "Log in again."),
        ("handshake-anonymous", {}, "There are no credentials.", "Log in."),
    ],
)
def test_who_you_are_not(side: Side, tmp_path: Path, key: str, user: dict[str, Any], when: str, do: str) -> None:
    tree = yaml.safe_load(side.kubeconfig.read_text())
    name = next(c for c in tree["contexts"] if c["name"] == tree["current-context"])["context"]["user"]
    tree["users"] = [{"name": name, "user": user}]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(tree))
    names = {f'"{side.namespace}"': '"NAMESPACE"', f"{side.namespace}/": "NAMESPACE/"}
    check(key, refused(file, side.namespace, "sender"), when, do, names)


def test_an_unknown_protocol_is_refused_without_a_word(side: Side) -> None:
    """We offer what every server knows; where the header is lost on the way this is what comes."""
    path = exec_path(side.namespace, "sender", ["true"])
    answer = asyncio.run(Client(side.kubeconfig).refused(path, "v9.channel.k8s.io"))
    assert (answer.code, answer.text) == (403, "")
