"""A capture's deeds without its packets, killed where the test says: run as a program of its own.

argv: KUBECONFIG NAMESPACE CAPTURE KILL_AT [--kill-reaper]; prints the reaper's PID, then "end".
"""

import os
import signal
import sys

import msgspec

from k8s_extcap.methods import helper
from k8s_extcap.model.request import Connection
from k8s_extcap.run import journal, owner, reaper, undoing
from k8s_extcap.run.session import open_session

POINTS = 8


def main() -> None:
    kubeconfig, namespace, capture, at, *rest = sys.argv[1:]
    passed = 0

    def point() -> None:
        nonlocal passed
        passed += 1
        if passed == int(at):
            os.kill(os.getpid(), signal.SIGKILL)

    session = open_session(Connection(kubeconfig=kubeconfig))
    book = journal.open(capture, session)
    guard = reaper.arm(book)
    print(guard.pid, flush=True)
    if "--kill-reaper" in rest:
        os.kill(guard.pid, signal.SIGKILL)
    point()
    for kind in ("first", "second"):
        name = f"k8s-extcap-{capture}-{kind}"
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        number = book.intend(journal.delete(f"{path}/{name}", f"configmap {name}"))
        point()
        body = owner.stamped(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": helper.labels(capture)}}
        )
        answer = session.api.create(path, body)
        point()
        book.learn(number, msgspec.json.decode(answer)["metadata"]["uid"])
        point()
    left = undoing.undo(session, book)
    point()
    guard.release(finished=not left)
    print("end", flush=True)


if __name__ == "__main__":
    main()
