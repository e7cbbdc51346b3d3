"""What an API server, a gateway, a credential plugin or a kubeconfig says."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from k8s_extcap.kube import kubeconfig, plugin, refused
from k8s_extcap.kube.api import decode
from k8s_extcap.methods import admission, ladder, starting
from k8s_extcap.model import ids
from k8s_extcap.model.errors import RefusedError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import Node, NodeList, Pod, PodList, Service, ServiceList, Workload, WorkloadList
from k8s_extcap.model.plan import ContainerFacts, Facts, Target
from k8s_extcap.model.request import CaptureRequest, Connection
from k8s_extcap.run.session import open_session
from k8s_extcap.select import pods as about
from k8s_extcap.select import rows, targets
from k8s_extcap.wireshark import sentences
from tests.fuzz.engine import Parser
from tests.fuzz.laws import documented, shown
from tests.laws.host_grammar import interfaces

REQUEST = CaptureRequest(Name("pod", "shop", "web-1"))


def _objects(data: bytes) -> None:
    """Decoded, listed, chosen, judged: no object of a cluster makes anything of ours fail in another way."""
    for kind in (Node, NodeList, Service, ServiceList, Workload, WorkloadList, Pod, PodList):
        with documented():
            decode(data, kind, "/api/v1/x")
    with documented():
        found = decode(data, PodList, "/api/v1/pods")
        listed = [row for pod in found.items for row in rows.Pods().rows(pod)]
        listed += [row for pod in found.items for row in rows.containers(pod)]
        _listed(listed)
        name = Name("deploy", "shop", "web")
        targets.choose(name, found.items, "app")
        shown(targets.gone(Name("pod", "shop", "web-1-2"), found.items).sentence)
        for pod in found.items:
            _one(pod)
    with documented():
        _one(decode(data, Pod, "/api/v1/pods/web"))
    with documented():
        _listed([rows.node(node) for node in decode(data, NodeList, "/api/v1/nodes").items])


def _one(pod: Pod) -> None:
    about.workload(pod)
    about.unfit(pod, "app")
    for container in ("", "app"):
        with documented():
            starting.started(pod, container)
    shown(starting.late(pod, "app", 30.0).sentence)
    with documented():
        target = targets.pod_target(pod, "prod")
        facts = Facts(containers={name: ContainerFacts(name, shell=True) for name in pod.running})
        ladder.plan(REQUEST, target, facts, "0123456789")
    with documented():
        ladder.assess_all(REQUEST, Target("prod", "shop", pod), Facts())


def _listed(found: list[rows.Row]) -> None:
    """Each row is one sentence of ours, or the host gets none; nothing in a name adds another."""
    for row in found[:50]:
        value = ids.render(row.name)
        answer = sentences.interface(value, row.display("prod"))
        seen = interfaces(answer.encode("utf-8", "replace"))
        assert len(seen) <= 1
        assert answer.count("\n") <= 1


def _refused(data: bytes) -> None:
    for status in (400, 401, 403, 404, 410, 422, 429, 500, 503):
        error = refused.refusal(status, data, "GET /api/v1/pods", "https://10.0.0.1:6443", 3.0)
        shown(error.sentence)
        if isinstance(error, RefusedError):
            shown(refused.explain(error, "shop/web-1", "app").sentence)
            facts = Facts(dry_run={admission.PLAIN: error.server_text, admission.WITH_RAW: error.server_text})
            assert admission.capabilities(facts).sentence.isprintable()


def _plugin(data: bytes) -> None:
    with documented():
        given = plugin._parse(data, "/usr/bin/plugin")
        assert isinstance(given.token, str)
        given.fresh(1e9)


def _kubeconfig(data: bytes) -> None:
    """Read, and turned into a session: nobody is contacted, and no program is started for nonsense."""
    handle, path = tempfile.mkstemp()
    try:
        os.write(handle, data)
        os.close(handle)
        with documented():
            found = kubeconfig.contexts(path)
            for context in found.all:
                assert isinstance(context.server, str)
                ids.alias_of(context.name)
        if b"exec" not in data and b"auth-provider" not in data:
            with documented():
                session = open_session(Connection(kubeconfig=path), interactive=False)
                assert repr(session)
    finally:
        Path(path).unlink()


_POD = (
    b'{"metadata":{"name":"web-7d9f8b6c5-x2x4z","namespace":"shop","uid":"u1","creationTimestamp":"2026-01-01T00:00:00Z",'
    b'"labels":{"pod-template-hash":"7d9f8b6c5"},"ownerReferences":[{"kind":"ReplicaSet","name":"web-7d9f8b6c5",'
    b'"uid":"u2","controller":true}]},"spec":{"nodeName":"n1","containers":[{"name":"app","image":"a:1","resources":'
    b'{"limits":{"memory":"64Mi","cpu":0.5}}}],"securityContext":{"runAsUser":10}},"status":{"phase":"Running",'
    b'"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"Ready","status":"True"}],'
    b'"containerStatuses":[{"name":"app","containerID":"containerd://0123","state":{"running":{}}}]}}'
)
_LIST = b'{"metadata":{"continue":"x","remainingItemCount":3},"items":[' + _POD + b"]}"
_NODES = b'{"items":[{"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}'
_NO = (
    b'{"kind":"Status","status":"Failure","message":"pods \\"web-1\\" is forbidden: User \\"dev\\" cannot get resource"'
    b',"reason":"Forbidden","details":{"name":"web-1","kind":"pods","causes":[]},"code":403,"metadata":{"continue":"x"}}'
)
_GIVEN = (
    b'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t",'
    b'"expirationTimestamp":"2026-01-01T00:00:00Z","clientCertificateData":"c","clientKeyData":"k"}}'
)
_CONFIG = (
    b"apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters:\n- name: c\n  cluster:\n"
    b"    server: https://10.0.0.1:6443\n    insecure-skip-tls-verify: true\n    proxy-url: http://127.0.0.1:3128\n"
    b"contexts:\n- name: prod\n  context: {cluster: c, user: u, namespace: shop}\nusers:\n- name: u\n"
    b"  user: {token: t}\n"
)

PARSERS = (
    Parser("objects", _objects, (_LIST, _POD, _NODES), (
        b"null", b'"items":', b'"containers":[', b'"name":', b'"limits":{"memory":', b'"waiting":{"reason":',
        b'"1e30"',
        b'"state":{"terminated":{"exitCode":1}}', b'"\\u001b[2J"', b'"a\\nb}{c"', b"-1", b"1e999",
        b'"deletionTimestamp":""'),
        0.2),
    Parser("refused", _refused, (_NO, b"<html><body><h1>403</h1>no</body></html>", b""), (
        b'"message":', b'"reason":', b"null", b'"\\u001b[2J"', b"<", b">", b"is forbidden:", b"container not found"),
        0.2),
    Parser("credential", _plugin, (_GIVEN,), (b'"status":', b'"token":', b"null", b"2026", b"Z", b'"+99:99"', b"[]")),
    Parser("kubeconfig", _kubeconfig, (_CONFIG,), (
        b"- name: ", b"cluster:", b"user:", b"server: ", b"https://[::1", b"certificate-authority-data: ",
        b"token: ", b"\n",
        b"  ", b"client-key: ", b"tls-server-name: ", b"&a ", b"*a", b"!!binary ", b"!!python/object:os.system ",
        b"null",
        b"[1, 2]", b"{a: b}", b"proxy-url: ", b"namespace: "), 0.02),
)  # fmt: skip
