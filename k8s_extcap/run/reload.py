"""The Reload button of a dialog: what the cluster has now, as the `value` lines of one selector.

A failure is a value line too, with its sentence: the host shows nothing else of this call. It freezes the dialog until
we answer, so the answer comes within LIMIT whatever the cluster does.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from k8s_extcap.edge import log
from k8s_extcap.kube import connect, review
from k8s_extcap.kube.api import Api
from k8s_extcap.model import ids, paths
from k8s_extcap.model.errors import ExtcapError, TargetError, clip
from k8s_extcap.model.objects import NodeList, Pod, PodList, WorkloadList
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.run import asked, resolve
from k8s_extcap.run.session import open_session
from k8s_extcap.wireshark import argv as arguments
from k8s_extcap.wireshark.config import MANY, values
from k8s_extcap.wireshark.option import Option, unset
from k8s_extcap.wireshark.options import BY_CALL, find
from k8s_extcap.wireshark.request import connection_of, settle
from k8s_extcap.wireshark.target import checked

LIMIT = 12.0  # seconds: one request's time-out of 10 s and the answer; people press Cancel after that
SHOWN = 150  # characters of an error in a selector: the width of the dialog

Pairs = list[tuple[str, str]]
P = TypeVar("P", PodList, NodeList, WorkloadList)


def main(argv: list[str]) -> int:
    """Answers one `--extcap-reload-option` call on stdout."""
    log.start()  # else a warning of a library goes to stderr, and so into an error dialog
    invocation = arguments.parse(argv)
    option = find(invocation.reload_option or "")
    if option is None or not option.choices:
        return 0
    chosen = invocation.values.get(option.call, "") or option.default
    answer: list[tuple[Pairs, int]] = []
    worker = threading.Thread(target=lambda: answer.append(_answered(option, invocation)), daemon=True)
    worker.start()
    worker.join(LIMIT)
    late: tuple[Pairs, int] = ([(chosen, f"No answer of the cluster within {LIMIT:.0f} s: try again")], 0)
    pairs, more = answer[0] if answer else late
    lines = values(option, pairs, chosen, MANY, more)
    sys.stdout.buffer.write(("\n".join(lines) + "\n").encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    return 0


def _answered(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    first: Pairs = list(option.choices[:1]) if option.kind == "pick" and option.call != "kind" else []
    try:
        pairs, more = _ANSWERS.get(option.call, _fixed)(option, invocation)
    except ExtcapError as error:
        return [(option.default, clip(error.sentence, SHOWN)), *option.choices[1:]], 0
    except Exception as error:  # nothing else may reach the host either: it would show an empty selector, and no reason
        return [(option.default, clip(f"{type(error).__name__}: {error}", SHOWN)), *option.choices[1:]], 0
    known = {value for value, _ in first}
    return first + [pair for pair in pairs if pair[0] not in known], more


def _fixed(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    del invocation
    return list(option.choices), 0


def _contexts(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    del option
    found = connect.contexts(connection_of(invocation.values).kubeconfig)
    return [(c.name, f"{c.name} ({c.server})") for c in found.all], 0


def _namespaces(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    del option
    session = open_session(connection_of(invocation.values))
    return _listed(session.api, "ns", "")


def _names(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    del option
    namespace = invocation.values.get("namespace", "").strip()
    chosen = "" if unset(BY_CALL["namespace"], namespace) else checked(ids.Name("ns", namespace)).namespace
    session = open_session(connection_of(invocation.values))
    return _listed(session.api, invocation.values.get("kind", "pod"), chosen or session.namespace)


def _listed(api: Api, kind: str, namespace: str) -> tuple[Pairs, int]:
    if kind not in paths.KINDS:
        raise TargetError(f"There is no kind {kind!r}. Choose one of {', '.join(paths.KINDS)}.")
    path = paths.collection(kind, namespace)
    if kind == "pod":
        return _few(api.pages(path, PodList), lambda pod: f"{pod.metadata.name} ({_state(pod)})")
    if kind == "node":
        return _few(api.pages(path, NodeList), lambda node: node.metadata.name)
    return _few(api.pages(path, WorkloadList), lambda workload: workload.metadata.name)


def _few(pages: Iterator[P], display: Callable[..., str]) -> tuple[Pairs, int]:
    """The first MANY of a list, and how many there are beyond by the server's own count."""
    pairs: Pairs = []
    more = 0
    for page in pages:
        pairs += [(item.metadata.name, display(item)) for item in page.items]
        if len(pairs) >= MANY:
            more = page.metadata.remaining_item_count or 0
            break
    return sorted(pairs), more


def _state(pod: Pod) -> str:
    running = len(pod.running)
    if pod.metadata.deletion_timestamp:
        return "ending"
    return f"{running} of {len(pod.statuses)} running" if running else pod.status.phase or "unknown"


def _request(invocation: arguments.Invocation) -> tuple[connect.Session, CaptureRequest]:
    wanted = asked.from_invocation(invocation)
    session = open_session(wanted.request.connection)
    wanted.verify(session)
    return session, settle(wanted.request, session.namespace)


def _target(invocation: arguments.Invocation) -> tuple[connect.Session, Target]:
    session, request = _request(invocation)
    target, _ = resolve.resolve(session, request)
    if target.is_node:
        raise TargetError(f"{target.spoken()} has no containers to choose from.")
    return session, target


def _containers(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    del option
    _, target = _target(invocation)
    running = set(target.pod.running)
    spec = target.pod.spec
    names = [c.name for group in (spec.containers, spec.init_containers, spec.ephemeral_containers) for c in group]
    return [(name, name if name in running else f"{name} (not running)") for name in names], 0


def _nics(option: Option, invocation: arguments.Invocation) -> tuple[Pairs, int]:
    session, target = _target(invocation)
    if not target.pod.running:
        raise TargetError(f"No container of {target.spoken()} runs, so its network interfaces cannot be read.")
    names = [nic.name for nic in asyncio.run(review.interfaces(session, target))]
    if not names:
        raise TargetError(
            f"No container of {target.spoken()} has a shell to list its network interfaces with. eth0 is the usual one."
        )
    shown = dict(option.choices)
    return [(name, shown.get(name, name)) for name in (*sorted(names, key=lambda n: (n == "lo", n)), "any")], 0


_ANSWERS: dict[str, Callable[[Option, arguments.Invocation], tuple[Pairs, int]]] = {
    "context": _contexts,
    "namespace": _namespaces,
    "name": _names,
    "container": _containers,
    "nic": _nics,
}
