"""Renews the list of interfaces, in the background: started by a list call that found it old, waited for by nobody.

It must not surprise anybody: only the current context is asked, at most once in 30 s, by one process at a time, less
and less often while that fails; credential plugins may ask nobody. Whatever happens the list stays, with the reason
beside it (`edge.known`) for doctor.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from k8s_extcap.edge import catalog, folders, known, lock, log, recents, settings
from k8s_extcap.edge.known import Cluster, Listed, Status
from k8s_extcap.kube import connect, credential
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError, ExtcapError, RefusedError
from k8s_extcap.model.request import Connection
from k8s_extcap.run import gather, render
from k8s_extcap.run.session import open_session
from k8s_extcap.wireshark import argv as arguments

_log = logging.getLogger(__name__)

# Seconds of a refresher's life: a plugin, the requests and all lists have limits that add up to less, so whatever takes
# longer hangs (a library's own login does without any), and holds the lock that everybody else waits for.
LIFE = 120.0
_NOBODY = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_ASKPASS")  # ways to ask a person


def main(argv: list[str]) -> int:
    """Runs detached, without standard streams; the log is the only witness."""
    for name in _NOBODY:
        os.environ.pop(name, None)
    log.start("", "info")
    _end_in(LIFE)
    try:
        refresh(arguments.parse(argv).context)
    except Exception as error:  # nobody reads stderr, so it must not end there
        _log.exception("the list was not renewed: %s", error)
        return 1
    return 0


def _end_in(seconds: float) -> None:
    timer = threading.Timer(seconds, _overdue)
    timer.daemon = True
    timer.start()
    if sys.platform != "win32":
        signal.alarm(int(seconds) + 10)  # should even that thread not run


def _overdue() -> None:
    _log.error("the list was not renewed within %.0f s", LIFE)
    credential.abandon()
    logging.shutdown()
    os._exit(1)


def refresh(context: str = "", *, interactive: bool = False, force: bool = False) -> Status:
    """Asks the cluster of `context` (the current one if empty) and writes the catalog anew; what is known afterwards.

    Without `force` only when it is due, and not while another process is at it. OSError where the cache cannot
    be written; everything else is in the status.
    """
    with _alone(wait=force) as mine:
        status = known.load()
        stamp = catalog.stamp()  # before the files are read: a change meanwhile is noticed by the next list
        header = catalog.header()
        if not mine or not (force or catalog.stale(header, stamp)):
            return status
        changed = header is None or header.stamp != stamp
        contexts = _renew(status, context, interactive=interactive, force=force or changed)
        known.store(status)
        render.publish(status, stamp, contexts)
        return status


@contextmanager
def _alone(*, wait: bool) -> Iterator[bool]:
    handle = os.open(folders.ensure(catalog.folder()) + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock.take(handle, wait=wait)
    finally:
        os.close(handle)


def _renew(status: Status, asked: str, *, interactive: bool, force: bool) -> list[str]:
    """Brings the status up to date; the contexts of the kubeconfig, or those it had where it cannot be read."""
    names = list(status.clusters)
    status.checked = int(time.time())
    try:
        wanted = settings.load()
        found = _context(asked)
        names = [context.name for context in found.all]
        status.error, status.failures, status.current = "", 0, found.current
        _forget(status, found)
        target = found.named(asked or found.current)
        if target is None:
            raise ConfigError(f"The kubeconfig has no context '{asked or found.current}'.")
    except ExtcapError as error:
        status.error = error.sentence
        status.failures += 1
        _log.warning("no list: %s", error)
        return names
    cluster = status.clusters.setdefault(target.name, Cluster(target.name, ""))
    for each in status.clusters.values():
        each.alias = ids.alias_of(each.context, names)  # a twin may have come or gone
    cluster.namespace, cluster.server, cluster.ca_digest = target.namespace, target.server, target.ca_digest
    if force or cluster.due <= time.time():
        _ask(cluster, wanted, interactive=interactive)
    return names


def _context(asked: str) -> connect.Contexts:
    try:
        return connect.contexts()
    except ConfigError:
        if not os.environ.get("KUBERNETES_SERVICE_HOST") or asked:
            raise
        inside = open_session(Connection(), interactive=False)
        only = connect.Context(inside.context, inside.namespace, inside.server, inside.ca_digest, "")
        return connect.Contexts(inside.context, (only,))


def _forget(status: Status, found: connect.Contexts) -> None:
    """Contexts that are gone, and rows of a context that now means another cluster or namespace."""
    for name, cluster in list(status.clusters.items()):
        now = found.named(name)
        if now is None:
            del status.clusters[name]
        elif (now.server, now.ca_digest, now.namespace) != (cluster.server, cluster.ca_digest, cluster.namespace):
            status.clusters[name] = Cluster(name, cluster.alias)


def _ask(cluster: Cluster, wanted: settings.Settings, *, interactive: bool) -> None:
    try:
        session = open_session(Connection(context=cluster.context), interactive=interactive)
        used = [u.name for u in (*recents.favourites(), *recents.recents()) if u.context == cluster.context]
        gathered = gather.gather(session, wanted, used)
    except ExtcapError as error:
        cluster.failed(error.sentence, error.retry_after if isinstance(error, RefusedError) else 0.0)
        _log.warning("context %s: %s", cluster.context, error)
        return
    except Exception as error:  # a library's surprise must leave the list as it is, and a reason
        cluster.failed(f"The list failed unexpectedly ({type(error).__name__}: {error}).")
        _log.exception("context %s", cluster.context)
        return
    cluster.rows = [Listed(ids.render(row.name), row.display()) for row in gathered.rows]
    cluster.seen = gathered.seen
    cluster.succeeded()
    cluster.error = gathered.remark
    _log.info("context %s: %d of %d pods listed", cluster.context, len(cluster.rows), cluster.seen)
