"""Is everything there that a capture needs? Findings in the order in which things would fail, each with what to do."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from k8s_extcap.edge import consent, known, log
from k8s_extcap.kube import connect
from k8s_extcap.model.errors import ExtcapError, RefusedError
from k8s_extcap.model.plan import Tri
from k8s_extcap.model.request import Connection
from k8s_extcap.payload import binaries
from k8s_extcap.run.allowing import confirmed
from k8s_extcap.setup import install, places, roles
from k8s_extcap.version import VERSION

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is what to do, "" where nothing is to be done; `yaml` what to ask an administrator for."""

    topic: str
    state: State
    sentence: str
    advice: str = ""
    yaml: str = ""


# What each way to capture needs beyond the one before, from the smallest footprint to the largest.
_FIRST = roles.of("resident")
NEEDS: dict[str, roles.Rights] = {
    "look at pods": roles.of("listing"),
    "capture (resident, upload)": _FIRST,
    **{
        f"capture ({method})": tuple(right for right in roles.of(method) if right not in _FIRST)
        for method in ("ephemeral", "nsenter", "copy")
    },
}
_ESSENTIAL = ("look at pods", "capture (resident, upload)")


def examine(connection: Connection, namespace: str = "") -> Iterator[Finding]:
    """Findings one by one, as they are made; the last ones ask the cluster."""
    yield Finding("k8s-extcap", "good", f"{VERSION}, Python {sys.version.split()[0]} at {sys.executable}")
    yield from _payload()
    yield from _dumpcap()
    yield from _hosts()
    yield from _launchers()
    yield from _list_file()
    yield Finding("log", "good", log.default_file())
    yield _may_use(connection)
    yield from _cluster(connection, namespace)


def _payload() -> Iterator[Finding]:
    rows = binaries.listed()
    if rows:
        kinds = ", ".join(f"{row.name} {row.version} for {row.arch}" for row in rows)
        yield Finding("payload", "good", f"to upload: {kinds}")
    else:
        yield Finding(
            "payload",
            "note",
            "This installation came without the programs that are uploaded; only a pod's own tcpdump can be used.",
            "Install k8s-extcap from a wheel, or run `python -m payload.build` in a checkout.",
        )


def _dumpcap() -> Iterator[Finding]:
    found = [path for path in _programs("dumpcap") if path.is_file()]
    if not found:
        yield Finding(
            "dumpcap", "bad", "There is no dumpcap, which Wireshark reads captures with.", "Install Wireshark."
        )
    for path in found:
        if os.access(path, os.X_OK):
            yield Finding("dumpcap", "good", f"{path} may be run")
        else:
            group = _group(path)
            yield Finding(
                "dumpcap",
                "bad",
                f"{path} may be run by root and the group {group} only, so Wireshark cannot capture from anything.",
                f"sudo usermod -aG {group} $USER, then log in anew",
            )


def _group(path: Path) -> str:
    if sys.platform == "win32":
        return ""  # files have none there, and Npcap asks by itself
    try:
        return path.group()
    except KeyError:  # no name for it on this machine
        return str(path.stat().st_gid)


def _programs(name: str) -> list[Path]:
    """On PATH, runnable or not: `shutil.which` does not see what one may not run."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    paths = [Path(folder) / name for folder in (*folders, "/usr/bin", "/usr/sbin") if folder]
    unique = {path.resolve(): path for path in reversed(paths) if os.path.exists(path)}  # noqa: PTH110
    return list(reversed(unique.values()))


def _hosts() -> Iterator[Finding]:
    hosts = places.hosts()
    if not hosts:
        yield Finding("Wireshark", "bad", "Neither wireshark nor tshark is on PATH.", "Install Wireshark.")
    for host in hosts:
        yield Finding("Wireshark", "good", f"{host.program} {host.version}")
    if hosts and not places.shared():
        yield Finding(
            "Wireshark",
            "bad",
            "Its global extcap folder is missing, and without it the personal one is not looked at either.",
            "sudo mkdir -p " + (hosts[0].shared or "/usr/lib/wireshark/extcap"),
        )


def _launchers() -> Iterator[Finding]:
    candidates = [folder / places.LAUNCHER for folder in (*places.personal(os.environ), *places.shared())]
    found = [path for path in candidates if path.exists() or path.is_symlink()]
    if not found:
        yield Finding("launcher", "bad", "It is in no folder of Wireshark's.", "k8s-extcap install")
    for path in found:
        answer = install.verify(path)
        if answer.problem:
            yield Finding("launcher", "bad", f"{path}: {answer.problem}", "k8s-extcap install")
        elif answer.version != VERSION:
            yield Finding("launcher", "note", f"{path} is of version {answer.version}.", "k8s-extcap install")
        else:
            yield Finding("launcher", "good", f"{path} answers as Wireshark would run it")


def _list_file() -> Iterator[Finding]:
    status = known.load()
    if not status.checked and not status.clusters:
        yield Finding("list", "note", "Nothing was listed yet.", "k8s-extcap refresh")
    if status.error:
        yield Finding("list", "note", status.error, "k8s-extcap refresh")
    for cluster in status.clusters.values():
        rows = f"context {cluster.context}: {len(cluster.rows)} listed of {cluster.seen} pods"
        if cluster.error:
            yield Finding("list", "note", f"{rows}, not read lately: {cluster.error}", "k8s-extcap refresh")
        else:
            yield Finding("list", "good", rows)


def _may_use(connection: Connection) -> Finding:
    """What captures may leave where nobody says anything else, and who said so."""
    try:
        limit = consent.ceiling()
    except ExtcapError as error:
        return Finding("May use", "bad", error.sentence)
    chosen = confirmed(connection.context, connection.kubeconfig)
    said = f"up to {chosen} in this context, by 'k8s-extcap allow'" if chosen else "up to ephemeral, the default"
    ceiling = f"; the administrator of this machine allows up to {limit} ({consent.POLICY})" if limit else ""
    return Finding("May use", "good", said + ceiling)


def _cluster(connection: Connection, namespace: str) -> Iterator[Finding]:
    from k8s_extcap.run.session import open_session

    try:
        session = open_session(connection)
    except ExtcapError as error:
        yield Finding("cluster", "bad", error.sentence, _plugin_advice(error))
        return
    where = f"context {session.context} at {session.server}"
    try:
        session.api.get("/version")
    except RefusedError:
        pass  # it answered; anonymous /version may be closed
    except ExtcapError as error:
        yield Finding("cluster", "bad", error.sentence)
        return
    yield Finding("cluster", "good", f"{where} answers")
    yield from permissions(session, namespace or session.namespace)
    yield from _captures(session, namespace)


def _captures(session: connect.Session, namespace: str) -> Iterator[Finding]:
    """What captures have in the cluster now, and what is still to be undone on this machine."""
    from k8s_extcap.run import inventory

    for sentence in inventory.journals():
        yield Finding("captures", "note", f"{sentence}.")
    try:
        items = list(inventory.objects(session, (namespace,) if namespace else ()))
    except ExtcapError as error:
        yield Finding("captures", "note", error.sentence)
        return
    for item in items:
        dead = item.mine and item.alive is False
        yield Finding("captures", "note" if dead else "good", item.spoken(), "k8s-extcap cleanup" if dead else "")
    if not items:
        yield Finding("captures", "good", "nothing of ours is in the cluster, as far as you may look")


def _plugin_advice(error: ExtcapError) -> str:
    return (
        "" if shutil.which("kubectl") is None else f"See whether this works: kubectl version ({type(error).__name__})"
    )


def permissions(session: connect.Session, namespace: str) -> Iterator[Finding]:
    """What this user may do in the namespace, by access reviews; what lacks, as a Role to ask for."""
    lacking: dict[str, roles.Rights] = {}
    for purpose, needs in NEEDS.items():
        answers = {need: _may(session, need, namespace) for need in needs}
        missing = tuple(need for need, allowed in answers.items() if allowed is False)
        unknown = [need for need, allowed in answers.items() if allowed is None]
        if missing:
            lacking[purpose] = missing
            state: State = "bad" if purpose in _ESSENTIAL else "note"
            yield Finding(
                purpose, state, f"In namespace {namespace} you may not {', '.join(n.spoken() for n in missing)}."
            )
        elif unknown:
            yield Finding(purpose, "note", f"Whether you may {', '.join(n.spoken() for n in unknown)} is not known.")
        else:
            yield Finding(purpose, "good", f"allowed in namespace {namespace}")
    if lacking:
        yield Finding(
            "permissions",
            "note",
            "This Role has what is missing; of its rules those are needed whose comment names a way you want.",
            f"Have it bound to you in namespace {namespace}:",
            role(namespace, lacking),
        )


def _may(session: connect.Session, need: roles.Right, namespace: str) -> Tri:
    resource = f"{need.resource}.{need.group}" if need.group else need.resource
    return session.api.may(need.verb, resource, namespace=namespace, subresource=need.sub)


def role(namespace: str, lacking: dict[str, roles.Rights]) -> str:
    """A Role with exactly these rights, each rule with what it is for."""
    lines = roles.head("k8s-extcap", namespace)
    for purpose, needs in lacking.items():
        lines += roles.rules(needs, purpose)
    return "\n".join(lines) + "\n"
