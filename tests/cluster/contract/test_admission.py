"""Pod Security: what each profile admits and in which words it refuses, the same on both clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.demo.rawclient import MERGE
from tests.cluster.contract.side import Side, create, helper, patch

CONTEXTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "NET_RAW": {"capabilities": {"add": ["NET_RAW"]}},
    "NET_ADMIN": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
    "privileged": {"privileged": True},
    "root": {"runAsUser": 0, "runAsNonRoot": False},
    "strict": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
_ALL = 'unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]'
_SECCOMP = (
    'seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
    ' "Localhost")'
)
_ESCALATION = (
    'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false)'
)
_NONROOT = 'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)'
VIOLATIONS = {
    ("baseline", "NET_RAW"): [
        'non-default capabilities (container "main" must not include "NET_RAW" in securityContext.capabilities.add)'
    ],
    ("baseline", "NET_ADMIN"): [
        (
            'non-default capabilities (container "main" must not include "NET_ADMIN", "NET_RAW" in'
            " securityContext.capabilities.add)"
        )
    ],
    ("baseline", "privileged"): ['privileged (container "main" must not set securityContext.privileged=true)'],
    ("restricted", "plain"): [_ESCALATION, f"{_ALL})", _NONROOT, _SECCOMP],
    ("restricted", "NET_RAW"): [
        _ESCALATION,
        f'{_ALL}; container "main" must not include "NET_RAW" in securityContext.capabilities.add)',
        _NONROOT,
        _SECCOMP,
    ],
    ("restricted", "root"): [
        _ESCALATION,
        f"{_ALL})",
        'runAsNonRoot != true (container "main" must not set securityContext.runAsNonRoot=false)',
        'runAsUser=0 (container "main" must not set runAsUser=0)',
        _SECCOMP,
    ],
    ("restricted", "privileged"): [
        'privileged (container "main" must not set securityContext.privileged=true)',
        _ESCALATION,
        f"{_ALL})",
        _NONROOT,
        _SECCOMP,
    ],
}


@pytest.fixture(params=["baseline", "restricted"])
def enforced(side: Side, request: pytest.FixtureRequest) -> Iterator[str]:
    """The side's namespace enforces a profile; its pods that run are not touched by that."""
    level = str(request.param)
    asyncio.run(_label(side, level))
    yield level
    asyncio.run(_label(side, None))


async def _label(side: Side, level: str | None) -> None:
    body = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
    assert (await side.admin.ask("PATCH", f"/api/v1/namespaces/{side.namespace}", body, MERGE)).code == 200
    for _ in range(100):  # the admission plugin hears of it by its own watch
        answer = await side.admin.ask(
            "POST", f"{side.pods()}?dryRun=All", side.pod("px", securityContext={"privileged": True})
        )
        if (
            ("PodSecurity" in answer.text and f'"{level}:latest"' in answer.json["message"])
            if level
            else answer.code == 201
        ):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"namespace {side.namespace} does not enforce {level}")


def test_pod_security(side: Side, enforced: str) -> None:
    async def scenario() -> dict[str, str]:
        found = {}
        for name, context in CONTEXTS.items():
            answer = await side.admin.ask("POST", f"{side.pods()}?dryRun=All", side.pod("px", securityContext=context))
            found[name] = answer.json["message"] if answer.code == 403 else ""
        return found

    for name, message in asyncio.run(scenario()).items():
        if (enforced, name) == ("restricted", "NET_ADMIN"):
            continue  # as NET_RAW, with both names
        violations = VIOLATIONS.get((enforced, name))
        text = f'pods "px" is forbidden: violates PodSecurity "{enforced}:latest": '
        assert message == (text + ", ".join(violations) if violations else ""), name


def test_pod_security_looks_at_ephemeral_containers(side: Side, enforced: str) -> None:
    context = {"capabilities": {"add": ["NET_RAW"]}}
    answer = patch(side, "older", helper(side, securityContext=context), query="?dryRun=All")
    assert answer.code == 403
    assert f'pods "older" is forbidden: violates PodSecurity "{enforced}:latest": ' in answer.json["message"]
    assert 'container "helper" must not include "NET_RAW" in securityContext.capabilities.add' in answer.json["message"]


def test_pod_security_names_the_host_namespaces(side: Side, enforced: str) -> None:
    pod = side.pod("ph", securityContext={"privileged": True})
    pod["spec"] |= {"hostPID": True, "hostNetwork": True, "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}
    message = create(side, pod, "?dryRun=All").json["message"]
    assert "host namespaces (hostNetwork=true, hostPID=true)" in message
    volume = {
        "baseline": 'hostPath volumes (volume "h")',
        "restricted": 'restricted volume types (volume "h" uses restricted volume type "hostPath")',
    }
    assert volume[enforced] in message
