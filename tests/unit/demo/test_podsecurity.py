"""Pod Security: each sentence by one pod that earns it (the contract tests hold the sentences to a real server's)."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.demo import podsecurity
from testbed.demo.status import ApiError

STRICT: dict[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _admit(level: str, context: dict[str, Any], **spec: Any) -> str:
    namespace = {"metadata": {"labels": {podsecurity.LABEL: level}}}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "securityContext": context}], **spec}}
    try:
        podsecurity.admit(namespace, pod)
    except ApiError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    ("level", "context", "spec"),
    [
        ("", {"privileged": True}, {"hostPID": True}),
        ("privileged", {"privileged": True}, {}),
        ("baseline", {}, {}),
        ("baseline", {"runAsUser": 0, "capabilities": {"add": ["SYS_CHROOT"]}}, {}),
        ("restricted", STRICT, {}),
        ("restricted", STRICT, {"volumes": [{"name": "v", "emptyDir": {}}]}),
    ],
)
def test_admitted(level: str, context: dict[str, Any], spec: dict[str, Any]) -> None:
    assert _admit(level, context, **spec) == ""


@pytest.mark.parametrize(
    ("level", "context", "spec", "sentence"),
    [
        ("baseline", {"privileged": True}, {}, 'container "c" must not set securityContext.privileged=true'),
        ("baseline", {"capabilities": {"add": ["NET_RAW"]}}, {}, 'must not include "NET_RAW" in securityContext'),
        ("baseline", {}, {"hostNetwork": True, "hostIPC": True}, "(hostNetwork=true, hostIPC=true)"),
        ("baseline", {}, {"volumes": [{"name": "v", "hostPath": {}}]}, 'hostPath volumes (volume "v")'),
        ("restricted", STRICT | {"runAsUser": 0}, {}, 'container "c" must not set runAsUser=0'),
        ("restricted", STRICT | {"runAsNonRoot": False}, {}, "must not set securityContext.runAsNonRoot=false"),
        ("restricted", STRICT | {"capabilities": {}}, {}, 'must set securityContext.capabilities.drop=["ALL"]'),
        ("restricted", STRICT, {"volumes": [{"name": "v", "hostPath": {}}]}, 'restricted volume type "hostPath"'),
    ],
)
def test_refused(level: str, context: dict[str, Any], spec: dict[str, Any], sentence: str) -> None:
    message = _admit(level, context, **spec)
    assert f'violates PodSecurity "{level}:latest": ' in message
    assert sentence in message


def test_ephemeral_containers_are_looked_at_too() -> None:
    ephemeral = [{"name": "e", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]
    assert 'container "e" must not include "NET_ADMIN"' in _admit("baseline", {}, ephemeralContainers=ephemeral)
