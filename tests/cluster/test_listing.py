"""Listing and finding targets on the real cluster, also for users who may do hardly anything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from k8s_extcap.kube.connect import Session
from k8s_extcap.model import ids
from k8s_extcap.model.errors import LIMIT, ExtcapError, RefusedError, TargetError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest, Connection, MethodName
from k8s_extcap.run.resolve import resolve
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster
from tests.process.list_home import Home

pytestmark = pytest.mark.cluster
Find = Callable[..., tuple[Target, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path / "ours"))
    return Home(tmp_path, {})


def listed(home: Home, kubeconfig: Path, settings: str = "") -> list[str]:
    home.variables["KUBECONFIG"] = str(kubeconfig)
    file = home.folder / "ours/config/settings.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings)
    home.refresh()
    return home.list()


@pytest.fixture
def find(home: Home) -> Find:
    """Resolves an interface name as a user of that kubeconfig."""
    sessions: dict[Path, Session] = {}

    def one(
        kubeconfig: Path, interface: str, container: str = "", wait: float = 2.0, method: MethodName = "resident"
    ) -> tuple[Target, str]:
        connection = Connection(kubeconfig=str(kubeconfig), wait=wait)
        session = sessions.setdefault(kubeconfig, open_session(connection))
        name = ids.parse(interface)
        assert name is not None
        return resolve(session, CaptureRequest(target=name, container=container, connection=connection, method=method))

    return one


def refused(find: Find, *words: object, **more: object) -> ExtcapError:
    with pytest.raises((TargetError, RefusedError)) as caught:
        find(*words, **more)
    assert len(caught.value.sentence) <= LIMIT
    return caught.value


def test_who_has_one_namespace_sees_its_pods(cluster: Cluster, home: Home) -> None:
    rows = listed(home, cluster.dev)
    expected = {f"k8s-pod-team.{name}" for name in ("tcpdump-n1", "client-n2", "idle-n1", "db-0", "db-1")}
    assert expected <= set(rows)
    assert rows[0] == "k8s-browse"
    assert not [row for row in rows if "done-" in row]  # it has ended


def test_who_may_not_list_has_browse_and_a_reason(cluster: Cluster, home: Home) -> None:
    assert listed(home, cluster.nolist) == ["k8s-browse"]
    assert 'User "nolist" cannot list resource "pods"' in home.display("k8s-browse")


def test_every_kind_by_setting(cluster: Cluster, home: Home) -> None:
    cluster.need_bed("known set of objects")
    rows = listed(
        home,
        cluster.admin,
        'limit = 900\nnamespaces = ["team", "hard"]\n'
        'kinds = ["pod", "container", "deploy", "sts", "ds", "job", "svc", "ns", "node"]\n',
    )
    wanted = "container-hard.several-n1.tools deploy-team.web sts-team.db ds-team.agent job-team.batch svc-team.web"
    wanted += " ns-team node-n1 node-n2 pod-hard.several-n1"
    assert {f"k8s-{name}" for name in wanted.split()} <= set(rows)
    assert len(rows) == len(set(rows))


def test_names_that_look_alike_and_names_too_long(cluster: Cluster, home: Home, find: Find) -> None:
    cluster.need_bed("known set of objects")
    long = "sixty-three-characters-are-the-most-that-a-namespace-can-have-x"
    rows = listed(home, cluster.admin, f'limit = 900\nnamespaces = ["a", "a-b", "{long}"]\n')
    assert {"k8s-pod-a.b-c", "k8s-pod-a-b.c", "k8s-pod-a.dots.in.a.name"} <= set(rows)
    for row, pod in (("k8s-pod-a.b-c", "b-c"), ("k8s-pod-a-b.c", "c"), ("k8s-pod-a.dots.in.a.name", "dots.in.a.name")):
        assert find(cluster.admin, row)[0].name == pod
    digests = [row for row in rows if f"k8s-pod-{long}._" in row]
    assert digests
    pods = cluster.get("pods", "-n", long)["items"]
    # containerd cannot start pods of such names; a copy would be made of one that does not run, too.
    found = {find(cluster.admin, row, method="copy")[0].name for row in digests}
    assert found <= {pod["metadata"]["name"] for pod in pods}
    assert len(found) == len(digests)


@pytest.mark.parametrize("user", ["admin", "dev"])
@pytest.mark.parametrize(
    ("interface", "pods"),
    [
        ("k8s-deploy-team.web", "web-"),
        ("k8s-sts-team.db", "db-"),
        ("k8s-ds-team.agent", "agent-"),
        ("k8s-job-team.batch", "batch-"),
    ],
)
def test_a_workload_is_one_of_its_pods(cluster: Cluster, find: Find, user: str, interface: str, pods: str) -> None:
    """`dev` may not read workloads: their pods are known by their owner."""
    target, sentence = find(getattr(cluster, user), interface)
    again, _ = find(getattr(cluster, user), interface)
    assert target.name.startswith(pods)
    assert target.name == again.name
    assert f"pod {target.name} is captured" in sentence


def test_a_service_is_one_of_its_pods(cluster: Cluster, find: Find) -> None:
    target, _ = find(cluster.admin, "k8s-svc-team.web")
    assert target.name.startswith("web-")
    assert 'cannot get resource "services"' in refused(find, cluster.dev, "k8s-svc-team.web").sentence


def test_a_node_is_believed_where_it_may_not_be_read(cluster: Cluster, find: Find) -> None:
    for user in (cluster.admin, cluster.dev):
        target, _ = find(user, "k8s-node-n1")
        assert (target.is_node, target.node) == (True, "n1")
    assert "There is no node n9" in refused(find, cluster.admin, "k8s-node-n9").sentence


def test_pods_and_containers_that_are_not_there(cluster: Cluster, find: Find) -> None:
    gone = refused(find, cluster.dev, "k8s-pod-team.web-5b5c5c7c9f-zzzzz").sentence
    assert gone.count("k8s-pod-team.web-") == 3
    alone = refused(find, cluster.dev, "k8s-pod-team.never-there").sentence
    assert "not there" in alone
    assert "k8s-pod-" not in alone
    assert "It has: app, web, tools" in refused(find, cluster.admin, "k8s-container-hard.several-n1.nope").sentence
    assert "has no container nope" in refused(find, cluster.admin, "k8s-pod-hard.several-n1", "nope").sentence
    assert "completed" in refused(find, cluster.admin, "k8s-job-team.done").sentence


def test_one_that_does_not_come_up_says_why_in_the_kubelets_words(cluster: Cluster, find: Find) -> None:
    cluster.need_bed("known set of objects")
    sentence = refused(find, cluster.admin, "k8s-pod-hard.noimage-n1", wait=0.5).sentence
    assert "ErrImageNeverPull" in sentence
    assert "--wait" in sentence


def test_a_pending_pod_is_waited_for(cluster: Cluster, find: Find, namespace: str) -> None:
    """Held back by a node selector that no node has, until one is labelled."""
    image = cluster.image("pause")
    base = ["run", "late", "-n", namespace, "--image", image, "--image-pull-policy=IfNotPresent", "--restart=Never"]
    hold = '{"spec":{"nodeSelector":{"nothing":"has-this"},"terminationGracePeriodSeconds":1}}'
    cluster.kubectl(*base, f"--overrides={hold}")
    assert "not scheduled" in refused(find, cluster.admin, f"k8s-pod-{namespace}.late", wait=0.2).sentence

    def let_go() -> None:
        cluster.kubectl("label", "node", cluster.nodes[0].name, "nothing=has-this")

    timer = threading.Timer(2.0, let_go)
    timer.start()
    try:
        target, _ = find(cluster.admin, f"k8s-pod-{namespace}.late", wait=60)
        assert target.node == cluster.nodes[0].name
        assert target.pod.running
    finally:
        timer.join()
        cluster.kubectl("label", "node", cluster.nodes[0].name, "nothing-", check=False)


def test_a_namespace_without_pods(cluster: Cluster, find: Find, namespace: str) -> None:
    assert "it has no pods" in refused(find, cluster.admin, f"k8s-ns-{namespace}").sentence


def test_a_name_survives_the_way_there_and_back(cluster: Cluster, home: Home) -> None:
    rows = listed(home, cluster.dev)[1:]
    assert rows
    for row in rows:
        name = ids.parse(row)
        assert name is not None
        assert ids.render(Name(name.kind, name.namespace, name.name, name.container)) == row
