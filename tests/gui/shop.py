"""A demo cluster of a test's own, as somebody changes it while a window is open."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any

from testbed.demo import DemoCluster
from testbed.wait import until


def ask(demo: DemoCluster, path: str, method: str = "GET") -> dict[str, Any]:
    """What the API itself answers."""
    headers = {"Authorization": f"Bearer {demo.token('demo')}"}
    request = urllib.request.Request(f"{demo.url}{path}", headers=headers, method=method)
    trust = ssl.create_default_context(cadata=demo.authority())
    with urllib.request.urlopen(request, context=trust, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def pods(demo: DemoCluster, namespace: str, start: str = "") -> list[str]:
    """Those that run and whose names begin so."""
    items = ask(demo, f"/api/v1/namespaces/{namespace}/pods")["items"]
    running = [
        pod for pod in items if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]
    return sorted(pod["metadata"]["name"] for pod in running if pod["metadata"]["name"].startswith(start))


def delete(demo: DemoCluster, namespace: str, pod: str) -> None:
    """At once, and returns when it is gone."""
    ask(demo, f"/api/v1/namespaces/{namespace}/pods/{pod}?gracePeriodSeconds=0", "DELETE")
    assert until(lambda: pod not in pods(demo, namespace))
