"""`k8s-extcap list`: what there is to capture, asked of the cluster now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from k8s_extcap.cli.console import out, plain, say, show_json, table
from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import Connection

KINDS = ("pod", "container", "deploy", "sts", "ds", "job", "svc", "ns", "node")
Row = dict[str, str]
# Columns by kind; the interface comes last, since it is the longest and the one that is copied.
COLUMNS = {
    "pod": ("namespace", "name", "state", "address", "node", "interface"),
    "container": ("namespace", "name", "container", "state", "interface"),
    "ns": ("name", "interface"),
    "node": ("name", "state", "address", "interface"),
    "": ("namespace", "name", "interface"),
}


def listing(
    kind: Annotated[str, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(KINDS)}.")] = "pod",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Instead of the context's namespace.")] = "",
    every: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    context: Annotated[str, typer.Option("--context", help="Instead of the current context.")] = "",
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="Instead of the usual one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List pods (or containers, workloads, Services, namespaces, nodes) with their interface names."""
    from k8s_extcap.cli.naming import alias_in
    from k8s_extcap.kube.connect import contexts
    from k8s_extcap.run.session import open_session
    from k8s_extcap.wireshark.target import KINDS as WORDS
    from k8s_extcap.wireshark.target import checked

    wanted = next((known for known, words in WORDS.items() if kind.lower() in words.split()), "")
    if not wanted:
        raise UsageError(f"{kind!r} is no kind to list. Accepted: {', '.join(KINDS)}.")
    namespace = checked(Name("ns", namespace)).namespace
    session = open_session(Connection(kubeconfig=kubeconfig, context=context))
    alias = ""
    if context and context != contexts(kubeconfig).current:
        alias = alias_in(context, kubeconfig)
    place = "" if every else namespace or session.namespace
    rows = sorted(_rows(session.api, wanted, place, alias), key=lambda row: tuple(row.values()))
    if as_json:
        show_json(rows)
        return
    columns = COLUMNS.get(wanted, COLUMNS[""])
    made = table(*(column.upper() for column in columns))
    for row in rows:
        made.add_row(*(plain(row[column]) for column in columns))
    if rows:
        out.print(made)
    where = f"in namespace {place}" if place and wanted not in ("ns", "node") else ""
    said = " ".join(part for part in (f"context {session.context}", where) if part)
    say(f"{len(rows)} in {said}" if not where else f"{len(rows)} {where} of context {session.context}")


def _rows(api: object, kind: str, namespace: str, alias: str) -> Iterator[Row]:
    from k8s_extcap.kube.api import Api
    from k8s_extcap.model import paths
    from k8s_extcap.model.objects import Node, NodeList, Pod, PodList, WorkloadList
    from k8s_extcap.select import pods as about

    assert isinstance(api, Api)
    path = paths.collection(kind, namespace)

    def of_pod(pod: Pod) -> Iterator[Row]:
        space, name = pod.metadata.namespace, pod.metadata.name
        base = {"namespace": space, "name": name}
        if kind == "pod":
            yield base | {
                "state": about.state(pod),
                "address": ", ".join(pod.ips),
                "node": pod.spec.node_name,
                "interface": ids.render(Name("pod", space, name, alias=alias)),
            }
            return
        for container in about.containers(pod):
            state = "running" if container in pod.running else "not running"
            interface = ids.render(Name("container", space, name, container, alias))
            yield base | {"container": container, "state": state, "interface": interface}

    def of_node(node: Node) -> Row:
        ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        return {
            "name": node.metadata.name,
            "state": "ready" if ready else "not ready",
            "address": next((a.address for a in node.status.addresses if a.type == "InternalIP"), ""),
            "interface": ids.render(Name("node", name=node.metadata.name, alias=alias)),
        }

    if kind in ("pod", "container"):
        for pods in api.pages(path, PodList):
            for pod in pods.items:
                yield from of_pod(pod)
    elif kind == "node":
        for nodes in api.pages(path, NodeList):
            yield from map(of_node, nodes.items)
    else:
        for page in api.pages(path, WorkloadList):
            for item in page.items:
                meta = item.metadata
                if kind == "ns":
                    yield {"name": meta.name, "interface": ids.render(Name("ns", meta.name, alias=alias))}
                else:
                    interface = ids.render(Name(kind, meta.namespace, meta.name, alias=alias))
                    yield {"namespace": meta.namespace, "name": meta.name, "interface": interface}


def register(app: typer.Typer) -> None:
    app.command("list")(listing)
