"""Removes what dead captures of this user on this machine left: the last ring of the clean-up.

By their journals first; then, where asked, by the labels that objects of ours carry. Somebody else's objects and those
of a capture that still runs are never touched.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from k8s_extcap.kube.connect import Session
from k8s_extcap.methods.helper import SELECTOR
from k8s_extcap.model.errors import ExtcapError, RefusedError
from k8s_extcap.model.objects import Workload, WorkloadList
from k8s_extcap.run import journal, keys, owner, reaper

_log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds for an object whose answer was lost; the capture died long ago
FRESH = 60.0  # seconds by the server's clock: a younger object may belong to a capture that is just starting
_KINDS = (("/apis/batch/v1", "jobs"), ("/api/v1", "pods"))


class Result(NamedTuple):
    """Sentences: what was removed (or would be, where it was only looked), what could not be."""

    removed: list[str]
    left: list[str]


def stale() -> list[str]:
    """Journals whose capture is gone and that no reaper works on."""
    found = []
    for path in journal.rest(journal.folder()):
        lock = reaper.hold(path) if _dead(path) else -1
        if lock >= 0:
            os.close(lock)
            found.append(path)
    return found


def _dead(path: str) -> bool:
    """Whether the journal's capture is gone. One that is just being written, or comes from another machine that shares
    this home, tells nothing at first; its reaper holds the journal's lock before it is a minute old.
    """
    made_by = journal.read(path).owner
    if owner.is_ours(made_by):
        return not owner.alive(made_by)
    try:
        return time.time() - os.stat(path).st_mtime > FRESH  # noqa: PTH116
    except OSError:
        return False  # removed meanwhile


def sweep_journals(*, dry: bool = False) -> Result:
    """Undoes every journal of a dead capture; with `dry` tells what that would remove."""
    if dry:
        return Result([what for path in stale() for what in _open(path)], [])
    keys.sweep()
    result = Result([], [])
    for path in stale():
        lock = reaper.hold(path)
        if lock < 0:
            continue
        try:
            if not _dead(path):
                continue
            what = _open(path)
            left = reaper.clean(path, patience=PATIENCE)
        finally:
            os.close(lock)
        result.left.extend(left)
        if not left:
            result.removed.extend(what)
    return result


def _open(path: str) -> list[str]:
    return [str(e.undo.get("what", "")) for e in journal.read(path).entries if not e.done]


def sweep_objects(session: Session, namespaces: tuple[str, ...] = (), *, dry: bool = False) -> Result:
    """Deletes Jobs and pods of dead captures by their labels: in these namespaces, or everywhere if that may be
    listed, else in the session's own; with `dry` tells which.
    """
    result = Result([], [])
    for base, kind in _KINDS:
        for namespace in namespaces or ("",):
            try:
                _sweep_in(session, namespace, base, kind, result, dry=dry)
            except RefusedError as error:
                if namespace:
                    result.left.append(error.sentence)
                    continue
                try:
                    _sweep_in(session, session.namespace, base, kind, result, dry=dry)
                except RefusedError as again:
                    # Who may not list them did not make them by us: the helper's plan needs that right.
                    _log.info("not looked at: %s", again)
    return result


def _sweep_in(session: Session, namespace: str, base: str, kind: str, result: Result, *, dry: bool) -> None:
    where = f"/namespaces/{namespace}" if namespace else ""
    for item in _items(session, f"{base}{where}/{kind}", SELECTOR):
        meta = item.metadata
        made = meta.annotations.get(owner.ANNOTATION, "")
        what = f"{kind[:-1]} {meta.namespace}/{meta.name}"
        if meta.owner_references or not owner.is_ours(made) or owner.alive(made):
            continue
        if meta.deletion_timestamp or session.api.now() - epoch(meta.creation_timestamp) < FRESH:
            continue
        try:
            if not dry:
                session.api.delete(f"{base}/namespaces/{meta.namespace}/{kind}/{meta.name}", uid=meta.uid)
            result.removed.append(what)
        except ExtcapError as error:
            result.left.append(f"{what}: {error.sentence}")


def _items(session: Session, path: str, selector: str) -> Iterator[Workload]:
    for page in session.api.pages(path, WorkloadList, {"labelSelector": selector}):
        yield from page.items


def epoch(timestamp: str) -> float:
    """Of the API's RFC 3339 times; 0 for what is none, which is very old."""
    try:
        return msgspec.convert(timestamp, type=datetime, strict=False).timestamp()
    except msgspec.ValidationError:
        return 0.0


def start() -> bool:
    """Sweeps the journals in a process of its own, if there are any of dead captures. For the hot paths: costs a look
    at two folders that are nearly always empty.
    """
    keys.sweep()
    if not stale():
        return False
    try:
        process = _detached()
    except OSError as error:  # no process to be had: then the next start does it
        _log.warning("clean-up: %s", error)
        return False
    process.returncode = 0  # it is meant to outlive us
    return True


def _detached() -> subprocess.Popen[bytes]:
    code = "import sys; sys.path[:] = sys.argv[1:]; from k8s_extcap.run.janitor import sweep; sweep()"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, *sys.path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def sweep() -> None:
    """The life of the process that `start` made."""
    from k8s_extcap.edge import log

    log.start("", "info")
    result = sweep_journals()
    _log.info("clean-up: %s", result)


def main(_argv: list[str]) -> int:
    """`--extcap-cleanup-postkill`: the host has killed a capture and waits for us, so the work is done beside it."""
    start()
    return 0
