"""The three users may do what is written of them, and nothing else."""

from __future__ import annotations

import pytest

from testbed.cluster.handle import Cluster

pytestmark = pytest.mark.cluster

#: verb, resource, namespace ("" is the cluster) -> who may
RIGHTS = {
    ("list", "pods", "team"): {"admin", "dev"},
    ("get", "pods", "team"): {"admin", "dev", "nolist"},
    ("watch", "pods", "team"): {"admin"},
    ("create", "pods/exec", "team"): {"admin", "dev", "nolist"},
    ("get", "pods/exec", "team"): {"admin", "dev", "nolist"},
    ("create", "pods", "team"): {"admin"},
    ("patch", "pods/ephemeralcontainers", "team"): {"admin"},
    ("list", "services", "team"): {"admin"},
    ("list", "pods", "hard"): {"admin"},
    ("create", "pods/exec", "hard"): {"admin"},
    ("list", "namespaces", ""): {"admin"},
    ("list", "nodes", ""): {"admin"},
    ("get", "namespaces/team", ""): {"admin"},
}


@pytest.mark.parametrize(("verb", "resource", "namespace"), RIGHTS)
def test_rights(cluster: Cluster, verb: str, resource: str, namespace: str) -> None:
    allowed = set()
    kind, _, sub = resource.partition("/") if resource.startswith("pods/") else (resource, "", "")
    part = [f"--subresource={sub}"] if sub else []
    for user, kubeconfig in (("admin", cluster.admin), ("dev", cluster.dev), ("nolist", cluster.nolist)):
        where = ["-n", namespace] if namespace else []
        said = cluster.kubectl("auth", "can-i", verb, kind, *where, *part, kubeconfig=kubeconfig, check=False)
        if "yes" in said.splitlines():
            allowed.add(user)
    assert allowed == RIGHTS[verb, resource, namespace]


def test_dev_lists_and_executes_in_its_namespace(cluster: Cluster) -> None:
    names = cluster.kubectl("get", "pods", "-o", "name", kubeconfig=cluster.dev).split()
    assert "pod/client-n1" in names
    assert cluster.kubectl("exec", "client-n2", "--", "echo", "hello", kubeconfig=cluster.dev) == "hello\n"


def test_nolist_executes_without_listing(cluster: Cluster) -> None:
    assert cluster.kubectl("exec", "client-n1", "--", "echo", "hello", kubeconfig=cluster.nolist) == "hello\n"
    said = cluster.kubectl("get", "pods", kubeconfig=cluster.nolist, check=False)
    assert 'User "nolist" cannot list resource "pods"' in said


def test_kubeconfigs_are_private(cluster: Cluster) -> None:
    for path in (cluster.admin, cluster.dev, cluster.nolist):
        assert path.stat().st_mode & 0o077 == 0
