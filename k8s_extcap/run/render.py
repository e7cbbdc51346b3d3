"""The catalog, written from what is known: the answer as the host reads it, and which cluster each name means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from k8s_extcap.edge import catalog, host, known, recents
from k8s_extcap.edge.catalog import Header, Origin
from k8s_extcap.edge.known import Cluster, Status
from k8s_extcap.model import ids
from k8s_extcap.model.ids import Name
from k8s_extcap.select import rows
from k8s_extcap.wireshark import sentences

KEPT = 7 * 86400  # seconds that a name stays bound to the cluster it was listed from, unlisted: a window left open
MOST = 2000  # bindings kept

WHY_SHOWN = 110  # characters of a reason in the list


def publish(status: Status, stamp: str, contexts: Sequence[str]) -> None:
    """Writes `list` and `origins`; `contexts` are all that the kubeconfig has. OSError."""
    current = status.clusters.get(status.current)
    listed: dict[str, tuple[str, Cluster]] = {}
    if current:
        context = current.context if len(contexts) > 1 else ""
        for row in current.rows:
            display = f"{row.display}, {context}" if context else row.display
            listed[row.interface] = (display, current)
    for used in (*recents.favourites(), *recents.recents()):
        cluster = status.clusters.get(used.context)
        if used.context == status.current:
            continue  # among the rows above, unless it is gone
        alias = ids.alias_of(used.context, contexts)
        name = used.name
        value = ids.render(Name(name.kind, name.namespace, name.name, name.container, alias, name.digest))
        listed.setdefault(
            value,
            (rows.remembered(name).display(used.context), cluster or Cluster(used.context, alias)),
        )
    answer = sentences.extcap() + sentences.interface(ids.BROWSE, _browse(status, current))
    answer += "".join(sentences.interface(value, display) for value, (display, _) in sorted(listed.items()))
    _bind(listed)
    alias = current.alias if current else ""
    catalog.store(Header(_due(status, current), stamp, status.current, alias), answer)


def _browse(status: Status, current: Cluster | None) -> str:
    """The row that is always there says why there is no other one."""
    why = status.error or (current.error if current and not current.rows else "")
    if not why:
        return sentences.BROWSE
    return f"{sentences.BROWSE} - {why if len(why) <= WHY_SHOWN else why[: WHY_SHOWN - 1] + '…'}"


def _due(status: Status, current: Cluster | None) -> int:
    if status.error:
        pause = known.BACK_OFF[min(status.failures, len(known.BACK_OFF)) - 1]
        return status.checked + pause
    return current.due if current else status.checked + catalog.INTERVAL


def _bind(listed: dict[str, tuple[str, Cluster]]) -> None:
    now = int(time.time())
    fresh = [
        Origin(value, c.context, c.alias, c.server, c.ca_digest, c.namespace, now)
        for value, (_, c) in sorted(listed.items())
    ]
    bound = {(o.interface, o.context) for o in fresh}
    old = [o for o in catalog.origins() if (o.interface, o.context) not in bound and now - o.listed < KEPT]
    old.sort(key=lambda origin: -origin.listed)
    catalog.store_origins([*fresh, *old][:MOST])
    shown = Path(catalog.folder()) / "shown"
    for program in shown.iterdir() if shown.is_dir() else ():
        if program.name != catalog.ANYBODY and not host.alive(program.name):
            program.unlink(missing_ok=True)
