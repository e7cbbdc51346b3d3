"""A user with rights in one namespace only is the normal case: what is not readable is unknown, never an error."""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path

import pytest

from k8s_extcap.kube import asking, review
from k8s_extcap.methods import ladder
from k8s_extcap.model.errors import MethodError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest, Connection, Helper, MethodName
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster
from tests.cluster.drive import drive, facts_of, target_of

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))


def test_unknown_facts_do_not_keep_a_developer_from_capturing(cluster: Cluster) -> None:
    connection = Connection(kubeconfig=str(cluster.dev))
    session = open_session(connection)
    target = target_of(session, "team", "client-n1")
    request = CaptureRequest(Name("pod"), output="pcap", connection=connection)
    facts = asyncio.run(facts_of(session, request, target))
    assert (facts.node_arch, facts.enforce, facts.node_tainted) == ("", None, None)
    assert facts.may == {"get pods/exec": True, "create pods/exec": True}
    done = asyncio.run(drive(session, request, target, secrets.token_hex(5), packets=3))
    assert done.plan.method == "upload"
    assert len(done.packets) >= 3


def test_a_missing_right_is_named_as_the_rule_to_ask_for(cluster: Cluster) -> None:
    connection = Connection(kubeconfig=str(cluster.dev))
    session = open_session(connection)
    target = target_of(session, "team", "tcpdump-n1")
    cells: tuple[tuple[MethodName, str], ...] = (
        ("ephemeral", r"you may not patch pods/ephemeralcontainers.*resources: \[pods/ephemeralcontainers\]"),
        ("nsenter", r"create jobs\.batch.*apiGroups: \[\"batch\"\]"),
        ("copy", r"you may not create pods.*verbs: \[create, delete\]"),
    )
    for method, words in cells:
        request = CaptureRequest(
            Name("pod"), method=method, helper=Helper(image=cluster.image("helper")), connection=connection
        )
        facts = asyncio.run(facts_of(session, request, target))
        verdict = ladder.assess(request, target, facts, method)
        assert verdict.usable is False
        with pytest.raises(MethodError) as caught:
            ladder.plan(request, target, facts, "0" * 10)
        assert re.search(words, f"{verdict.sentence} {verdict.ask}"), verdict
        assert verdict.sentence[:60] in caught.value.sentence


def test_rights_by_one_rules_review_are_those_of_the_access_reviews(cluster: Cluster) -> None:
    needs = ["get pods", "list pods", "create pods", "get pods/exec", "create pods/exec", "create jobs.batch",
             "patch pods/ephemeralcontainers", "get nodes"]  # fmt: skip
    for kubeconfig in (cluster.admin, cluster.dev):
        api = open_session(Connection(kubeconfig=str(kubeconfig))).api
        answers = asking.may(api, "team", needs)
        for need in needs:
            verb, _, rest = need.partition(" ")
            name, _, sub = rest.partition("/")
            assert answers[need] == api.may(verb, name, namespace="team", subresource=sub), (kubeconfig, need)


def test_the_dialog_learns_the_pods_interfaces(cluster: Cluster) -> None:
    session = open_session(Connection(kubeconfig=str(cluster.dev)))
    found = asyncio.run(review.interfaces(session, target_of(session, "team", "client-n1")))
    assert [(n.name, n.up, n.default) for n in found] == [("eth0", True, True), ("lo", True, False)]
