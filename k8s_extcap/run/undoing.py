"""Undoing a journal's entries on the cluster: each in its own try, newest first, only what is provably ours."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command
from k8s_extcap.kube.once import run_exec
from k8s_extcap.methods import guard
from k8s_extcap.methods.helper import CAPTURE_LABEL
from k8s_extcap.model.errors import ConnectError, CredentialError, ExtcapError, RefusedError, RemoteError
from k8s_extcap.model.objects import Workload
from k8s_extcap.run.journal import Entry, Journal

_log = logging.getLogger(__name__)

DEADLINE = 5.0  # seconds of the capture's own clean-up; Wireshark waits 30, an ordinary undo takes 0.1
SETTLE = 0.2  # seconds between two looks for an object whose creation may still be under way
EXEC = 5.0  # seconds for removing a file

Done = Callable[[int], None]


class UnsettledError(Exception):
    """The object is not there, but its creation may still be under way: look again."""


def entries(session: Session, capture: str, todo: Sequence[Entry], done: Done, *, patience: float = 0.0) -> list[str]:
    """Undoes what is open; gives a sentence for each that is left. `patience` is how many seconds an object whose
    answer was lost is looked for. ConnectError and CredentialError count as left too.
    """
    left = []
    helper_goes = any(e.undo.get("do") == "delete" for e in todo)
    for entry in reversed(todo):
        if entry.done:
            continue
        what = str(entry.undo.get("what", "something"))
        try:
            if entry.undo.get("do") == "delete":
                _delete(session, capture, entry, patience)
            elif not helper_goes:  # files in a helper go with it
                _remove(session, entry)
            done(entry.number)
        except UnsettledError:
            left.append(f"{what} was being created when the capture ended")
        except ExtcapError as error:
            _log.warning("undo of %s: %s", what, error)
            left.append(f"{what}: {error.sentence}")
        except Exception as error:  # one undo must not stop the others
            _log.exception("undo of %s", what)
            left.append(f"{what}: {type(error).__name__}: {error}")
    return left


def undo(session: Session, book: Journal) -> list[str]:
    """`entries` for the capture process itself, which must leave in time: a network that is gone would hold it. What is
    left stays in the journal for the reaper; with nothing left the journal is removed.
    """
    left = _in_time(session, book)
    if not left:
        book.close()
    return left


def _in_time(session: Session, book: Journal) -> list[str]:
    result: list[list[str]] = []
    worker = threading.Thread(
        target=lambda: result.append(entries(session, book.capture, book.entries, book.done)), daemon=True
    )
    worker.start()
    worker.join(DEADLINE)
    if result:
        return result[0]
    return [f"{e.undo.get('what')}: no answer within {DEADLINE:.0f} s" for e in book.entries if not e.done]


def _delete(session: Session, capture: str, entry: Entry, patience: float) -> None:
    path = str(entry.undo["path"])
    if entry.uid:
        session.api.delete(path, uid=entry.uid)
        return
    until = time.monotonic() + patience
    while True:
        try:
            found = session.api.get_as(path, Workload)
        except RefusedError as error:
            if error.status != 404:
                raise
            if time.monotonic() >= until:
                if patience:
                    return  # it was never created, or is gone
                raise UnsettledError from error
            time.sleep(SETTLE)
            continue
        if found.metadata.labels.get(CAPTURE_LABEL) == capture:
            session.api.delete(path, uid=found.metadata.uid)
        else:
            _log.error("%s is not this capture's: left alone", path)
        return


def _remove(session: Session, entry: Entry) -> None:
    undo = entry.undo
    argv = guard.removal([str(file) for file in undo["files"]])
    command = Command(str(undo["namespace"]), str(undo["pod"]), str(undo["container"]), argv)
    try:
        asyncio.run(run_exec(session, command, timeout=EXEC))
    except (ConnectError, CredentialError, RemoteError):
        raise
    except ExtcapError as error:
        if isinstance(error, RefusedError) and (error.status == 429 or error.status >= 500):
            raise  # for the moment only
        # No such pod, its container does not run, or nobody may look any more: what was in it goes with it.
        _log.info("files of %s: %s", undo.get("what"), error)
