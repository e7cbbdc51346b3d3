"""A token that is worth nothing any more in the middle of a capture, on the real cluster: the next one is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cluster.handle import Cluster
from testbed.far import FarSide
from testbed.truth.whole import ends_whole
from testbed.wait import until
from tests.cluster.lasting import Capture, talking
from tests.plugin import Plugin

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]

USER, BOUND = "somebody", "while-this-is-there"
REMEMBERED = 60.0  # seconds; the API server takes a token that was good for ten more


class Account:
    """A service account that may do anything, and its tokens."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.kubeconfig = json.loads(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        self.bare = folder / "bare"
        nobody = [{"name": self.kubeconfig["users"][0]["name"], "user": {}}]
        self.bare.write_text(json.dumps({**self.kubeconfig, "users": nobody}))
        cluster.kubectl("create", "serviceaccount", USER, "-n", namespace)
        cluster.kubectl("create", "secret", "generic", BOUND, "-n", namespace)
        who = f"--serviceaccount={namespace}:{USER}"
        cluster.kubectl("create", "rolebinding", USER, "-n", namespace, "--clusterrole=cluster-admin", who)

    def token(self, *bound: str) -> str:
        return self.cluster.kubectl("create", "token", USER, "-n", self.namespace, *bound).strip()

    def taken(self, token: str) -> bool:
        said = self.cluster.kubectl("--token", token, "auth", "whoami", kubeconfig=self.bare, check=False)
        return "Username" in said


@pytest.mark.parametrize(("method", "cut"), [("nsenter", False), ("upload", True)], ids=["nsenter", "upload, cut"])
def test_what_it_made_is_undone_and_it_goes_on_with_the_next_token(
    cluster: Cluster, namespace: str, tmp_path: Path, method: str, cut: bool
) -> None:
    """A stream lives on without its token; the Job's end, and the stream after one that was cut, need the next."""
    pod, account = talking(cluster, namespace, "n1"), Account(cluster, namespace, tmp_path)
    plugin = Plugin(tmp_path, account.kubeconfig)
    first, second = account.token("--bound-object-kind=Secret", f"--bound-object-name={BOUND}"), account.token()
    plugin.gives(first)
    helper = ("--helper-image", cluster.image("helper"), "--helper-namespace", namespace)
    with Capture(plugin.config, tmp_path, pod, "--method", method, "--allow", "nsenter", *helper) as capture:
        assert capture.grows()
        assert bool(_jobs(cluster, namespace)) is (method == "nsenter")
        assert account.taken(first)
        plugin.gives(second)
        cluster.kubectl("delete", "secret", BOUND, "-n", namespace)
        assert until(lambda: not account.taken(first), REMEMBERED, every=1)
        if cut:
            cluster.kubectl("exec", "-n", namespace, pod.name, "-c", "app", "--", "kill", "1", check=False)
        assert capture.grows()
        said = capture.end()
    assert said.count("The capture has a gap from") == cut, said
    assert ends_whole(capture.file)
    assert _jobs(cluster, namespace) == ""
    assert plugin.count() == 2
    assert FarSide(cluster, pod).gone(5)


def _jobs(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl("get", "jobs", "-n", namespace, "-o", "name").strip()
