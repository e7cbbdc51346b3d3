"""Pods of the demo cluster that come and go, as in a cluster at work."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from testbed.demo.cluster import DemoCluster

_PAUSE = 0.02  # seconds between two changes: fifty a second, as while a large Deployment is rolled out


class Churn:
    """Deletes the ready pods of a namespace in the order of their names, which are those that a list shows, and makes
    as many new ones that sort before them and never get ready. `changes` counts both.
    """

    def __init__(self, cluster: DemoCluster, namespace: str) -> None:
        place = urlsplit(cluster.url)
        tls = ssl.create_default_context(cadata=cluster.authority())
        self._place, self._tls = (place.hostname or "", place.port or 443), tls
        self._headers = {"Authorization": f"Bearer {cluster.token()}", "Content-Type": "application/json"}
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure = ""
        self.changes = 0
        self.unready: set[str] = set()

    def __enter__(self) -> Self:
        self._names = sorted(self.names())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._failure and kind is None:
            raise AssertionError(self._failure)

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self._place, timeout=30, context=self._tls)

    def names(self) -> set[str]:
        """All pods of the namespace, in one answer."""
        connection = self._connect()
        try:
            return {item["metadata"]["name"] for item in self._ask(connection, "GET", self._path)["items"]}
        finally:
            connection.close()

    def _run(self) -> None:
        connection = self._connect()
        try:
            for number, name in enumerate(self._names):
                if self._over.wait(_PAUSE):
                    return
                self._ask(connection, "DELETE", f"{self._path}/{name}?gracePeriodSeconds=0")
                fresh = f"aa-{number:05}"
                self._ask(connection, "POST", self._path, _body(fresh))
                self.unready.add(fresh)
                self.changes += 2
        except (AssertionError, OSError, http.client.HTTPException) as error:
            self._failure = f"pods no longer come and go: {error}"
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, verb: str, path: str, body: Any = None) -> Any:
        connection.request(verb, path, json.dumps(body) if body else None, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise AssertionError(f"{verb} {path}: {answer.status} {content[:200]!r}")
        return json.loads(content)


def _body(name: str) -> dict[str, Any]:
    """A pod that is bound to a node which is not there."""
    container = {"name": "main", "image": "registry.example/none:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "nodeName": "nowhere"},
    }
