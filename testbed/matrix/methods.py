"""Part `methods`: each method on each kind of pod under each runtime, and what `auto` takes at each level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from testbed.matrix import product, search
from testbed.matrix.pods import KINDS, NODES, Kind
from testbed.matrix.results import Cell, Outcome
from testbed.matrix.site import Site

NAME = "methods"
METHODS = ("resident", "upload", "nsenter", "copy", "ephemeral")  # the last leaves its entry in the pod
LEVELS = ("resident", "upload", "ephemeral", "nsenter")
LIMITS = ("--limit-packets", "3", "--limit-time", "15s")
WANTED = 3  # packets that make a cell work
GONE = 8.0  # seconds: the pod of a deleted Job has five of grace


def cells(site: Site) -> Iterator[Cell]:
    for kind in KINDS:
        for node in NODES:
            yield from _of_pod(site, kind, node)


def _of_pod(site: Site, kind: Kind, node: str) -> Iterator[Cell]:
    base = {"kind": kind.title, "node": node}
    for level in LEVELS:
        yield Cell({**base, "method": f"auto --allow {level}"}, partial(_auto, site, kind, node, level))
    for method in METHODS:
        yield Cell({**base, "method": method}, partial(ask, site, kind, node, method))
    site.forget(kind, node)


def _auto(site: Site, kind: Kind, node: str, level: str) -> Outcome:
    pod = site.pod(kind, node)
    home = product.home(site, "auto")
    words = ("capture", f"{pod.namespace}/{pod.name}", *product.HELPER, "--allow", level, "--dry-run", *kind.options)
    ended = product.command(site, home, *words)
    chosen = next((w.split()[1] for w in ended.printed.splitlines() if w.startswith("method:")), "")
    if chosen:
        return Outcome("works", "", {"method": chosen})
    return ended.outcome(wanted=0) if ended.code else Outcome("failed", f"no method in: {ended.printed[:200]}")


def ask(site: Site, kind: Kind, node: str, method: str) -> Outcome:
    pod = site.pod(kind, node)
    home = product.home(site, method)
    with ExitStack() as stack:
        if kind.tainted:
            stack.enter_context(site.cluster.tainted(node))
        if kind.silent:
            copies = method == "copy"
            stack.enter_context(site.traffic_to_copies(node, pod.namespace) if copies else site.traffic(node, pod.ip))
        target = f"{pod.namespace}/{pod.name}"
        ended = product.capture(site, home, target, "--method", method, *LIMITS, *kind.options)
    outcome = ended.outcome(WANTED)
    found, seconds = search.watch(site, pod, home, GONE)
    figures = {**outcome.figures, "clean_after": seconds}
    if found:
        return Outcome("failed", f"left after {GONE:.0f} s: {found.spoken()}", figures)
    if site.restarts(pod):
        return Outcome("failed", "a container of the pod was restarted", figures)
    return Outcome(outcome.verdict, outcome.sentence, figures)
