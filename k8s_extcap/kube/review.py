"""What is known about a target before a method is chosen: rights, node, policy, and one look into its containers.

A right that is missing makes a fact unknown, never an error: a user who may read neither nodes nor namespaces is the
normal case. Nothing is written, except an empty file for an instant where the probe tries a folder.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from k8s_extcap import payload
from k8s_extcap.kube import originals
from k8s_extcap.kube.api import STRATEGIC, Api
from k8s_extcap.kube.asking import dry, may, unless_refused
from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command, open_exec
from k8s_extcap.methods import admission, beside, copy, ephemeral, helper, ladder, nsenter, probe, rights
from k8s_extcap.model.errors import ConnectError, CredentialError, ExtcapError, RefusedError, clip
from k8s_extcap.model.objects import Node, Workload
from k8s_extcap.model.plan import Binary, ContainerFacts, Facts, Target
from k8s_extcap.model.request import CaptureRequest, footprint

_log = logging.getLogger(__name__)
T = TypeVar("T")

CONTAINERS = 4  # looked into at the same time; each is an exec of 60-100 ms
_VIRTUAL = ("virtual-kubelet.io/", "azure.com/aci")  # taints of virtual nodes


async def gather(session: Session, request: CaptureRequest, target: Target) -> Facts:
    """All facts that choosing a method for this target needs. What the larger footprints need is asked only when no
    smaller method would do. ConnectError, CredentialError.
    """
    names = _candidates(target)
    looks = asyncio.gather(*(look(session, request, target, name) for name in names), return_exceptions=True)
    facts = await asyncio.to_thread(_cheap, session.api, target)
    inside = {}
    for name, answer in zip(names, await looks, strict=True):
        if isinstance(answer, RefusedError):
            facts = _shut(request, target, facts, answer)
            inside[name] = ContainerFacts(name, error=answer.sentence.rstrip("."))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            inside[name] = answer
    facts = replace(facts, containers=inside, binaries=_binaries(), api_port=_port(session.server))
    if _enough(request, target, facts):
        return facts
    return await asyncio.to_thread(_dear, session.api, request, target, facts)


def _shut(request: CaptureRequest, target: Target, facts: Facts, told: RefusedError) -> Facts:
    """The cluster lets nobody exec into this pod now. That ends the capture with its words: a container added to the
    pod could not be entered either, and stays for ever. Only a helper pod may do without.
    """
    if rights.missing(facts, rights.EXEC):
        return facts
    if told.status == 403 and request.helper.image and "nsenter" in ladder.candidates(request, target):
        return replace(facts, may={**facts.may, rights.EXEC[-1]: False})
    raise told


def _binaries() -> dict[str, Binary]:
    return {row.file: Binary(row.file, row.size, row.sha256) for row in payload.listed()}


def _port(server: str) -> int:
    parts = urlsplit(server)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _candidates(target: Target) -> list[str]:
    if target.is_node:
        return []
    if target.container:
        return [target.container]
    return [n for n in target.pod.running if not n.startswith(ephemeral.PREFIX)][:CONTAINERS]


def _enough(request: CaptureRequest, target: Target, facts: Facts) -> bool:
    if request.method in ("resident", "upload"):
        return True
    smaller = [ladder.assess(request, target, facts, m) for m in ("resident", "upload")]
    return request.method == "auto" and any(
        v.usable is not False and v.footprint <= footprint(request.allow) for v in smaller
    )


# One look into a container


class _Answer:
    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()

    def stdout(self, data: memoryview, /) -> None:
        self.out += data[: probe.LIMIT - len(self.out)]

    def stderr(self, data: bytes, /) -> None:
        self.err += data[: 1024 - len(self.err)]


async def ask(session: Session, command: Command, text: bytes) -> tuple[str, str, str]:
    """(stdout, stderr, the server's message) of a shell that reads `text`. ExtcapError as `open_exec`, TimeoutError."""
    answer = _Answer()
    stream = await open_exec(session, command, answer)
    try:
        stream.send(text)
        async with asyncio.timeout(session.timeout):
            await stream.ended
    finally:
        stream.abort()
    message = stream.exit.message if stream.exit and stream.exit.code is None else ""
    return answer.out.decode(errors="replace"), answer.err.decode(errors="replace"), message


async def look(session: Session, request: CaptureRequest, target: Target, name: str) -> ContainerFacts:
    """What one container can do. What is wrong with it is its fact; RefusedError, ConnectError and CredentialError are
    about more than this container.
    """
    command = Command(target.namespace, target.name, name, probe.command(request.upload_folder, request.tcpdump))
    try:
        out, err, message = await ask(session, command, probe.script())
    except (ConnectError, CredentialError, RefusedError):
        raise
    except ExtcapError as error:
        return ContainerFacts(name, error=error.sentence.rstrip("."))
    except TimeoutError:
        return ContainerFacts(name, error="it did not answer in time")
    if not out and ("not found" in message or "no such file" in message):
        return ContainerFacts(name, shell=False)
    facts = probe.parse(name, out)
    if facts.shell is None:
        return replace(facts, error=f"a shell there said nothing useful ({clip(message or err, 120) or 'no output'})")
    return facts


async def interfaces(session: Session, target: Target) -> tuple[probe.Nic, ...]:
    """The pod's network interfaces for the dialog, from the first container that tells; empty where none does."""
    for name in _candidates(target):
        try:
            out, _, _ = await ask(
                session, Command(target.namespace, target.name, name, probe.command()), probe.script(nics_only=True)
            )
        except (ConnectError, CredentialError):
            raise
        except (ExtcapError, TimeoutError) as error:
            _log.info("interfaces of %s/%s: %s", target.name, name, error)
            continue
        found = probe.nics(out)
        if found:
            return found
    return ()


# Rights, node, namespace


def _cheap(api: Api, target: Target) -> Facts:
    facts = Facts()
    if target.namespace and not target.is_node:
        facts = replace(facts, may=may(api, target.namespace, rights.EXEC), enforce=enforced(api, target.namespace))
    if target.node:
        node = unless_refused(lambda: api.get_as(f"/api/v1/nodes/{target.node}", Node))
        if node:
            facts = _of_node(facts, node)
    return facts


def enforced(api: Api, namespace: str) -> str | None:
    """The pod security level the namespace enforces; None: not readable. Without a label it is the cluster's default,
    nearly always privileged, so that is the answer.
    """
    found = unless_refused(lambda: api.get_as(f"/api/v1/namespaces/{namespace}", Workload))
    return found.metadata.labels.get(admission.LABEL, "privileged") if found else None


def _of_node(facts: Facts, node: Node) -> Facts:
    labels, taints = node.metadata.labels, node.spec.taints
    virtual = labels.get("type") == "virtual-kubelet" or any(t.key.startswith(_VIRTUAL) for t in taints)
    return replace(
        facts,
        node_arch=labels.get("kubernetes.io/arch", "") or node.status.node_info.architecture,
        node_os=labels.get("kubernetes.io/os", "") or node.status.node_info.operating_system,
        node_tainted=node.spec.unschedulable or any(t.effect in ("NoSchedule", "NoExecute") for t in taints),
        node_virtual=virtual,
    )


# What the larger footprints need


def _dear(api: Api, request: CaptureRequest, target: Target, facts: Facts) -> Facts:
    needs = list(nsenter.needs(request, target)) if request.helper.image else []
    tried: dict[str, str | None] = {}
    if not target.is_node:
        needs += rights.EPHEMERAL
    answers = {**facts.may, **may(api, target.namespace, needs)}
    if not target.is_node and request.method in ("auto", "ephemeral") and answers.get(rights.EPHEMERAL[-1]):
        tried |= _try_ephemeral(api, request, target, facts)
    if request.method == "copy" and not target.is_node:
        return originals.add(
            api, request, target, replace(facts, may={**answers, **may(api, target.namespace, copy.needs(request))})
        )
    place = nsenter.namespace(request, target)
    pods = next((n for n in needs if n.startswith("create pods") and "/" not in n), "")
    facts = replace(facts, may=answers, dry_run={**facts.dry_run, **tried})
    # Such a pod stands out in an audit log, even as a dry run: it is asked about when nothing smaller will do.
    if request.helper.image and target.node and pods and answers.get(pods) and not _beside(request, target, facts):
        body = helper.pod(request, target.node, "k8s-extcap-dry-run", "dry-run")
        asked = dry(admission.HELPER, lambda: api.create(f"/api/v1/namespaces/{place}/pods", body, dry_run=True))
        facts = replace(facts, dry_run={**facts.dry_run, **asked})
    return facts


def _beside(request: CaptureRequest, target: Target, facts: Facts) -> bool:
    """Whether an ephemeral container will be taken."""
    if request.method != "auto" or "ephemeral" not in ladder.candidates(request, target):
        return False
    return ladder.assess(request, target, facts, "ephemeral").usable is not False


def _try_ephemeral(api: Api, request: CaptureRequest, target: Target, facts: Facts) -> dict[str, str | None]:
    image, _ = beside.image_of(request, target, facts)
    path = f"{ephemeral.path(target)}/ephemeralcontainers"

    def attempt(key: str, capabilities: tuple[str, ...]) -> dict[str, str | None]:
        entry = beside.entry("k8s-extcap-dry-run", image or "none", capabilities)
        return dry(key, lambda: api.patch(path, ephemeral.patch(entry), STRATEGIC, dry_run=True))

    answers = attempt(admission.WITH_RAW, ("NET_RAW",))
    if answers.get(admission.WITH_RAW):
        answers |= attempt(admission.PLAIN, ())
    return answers
