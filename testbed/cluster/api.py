"""The few questions that the bed itself asks of its API server; starting kubectl for them would cost more."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from testbed.cluster.bed import API_PORT, Bed
from testbed.cluster.errors import BedError

TIMEOUT = 5.0  # an API server that does not answer a small question in this time is not ready


class Api:
    """As admin. Every failure to get an answer is None: while a cluster starts, that is no error."""

    def __init__(self, bed: Bed) -> None:
        self._host = bed.node(1).address
        try:
            self._tls = ssl.create_default_context(cafile=str(bed.pki / "ca.crt"))
            self._tls.load_cert_chain(bed.pki / "admin.crt", bed.pki / "admin.key")
        except (OSError, ssl.SSLError) as error:
            raise BedError(f"no certificates in {bed.pki}: the bed was never up, or was wiped; run `up`") from error

    def text(self, path: str) -> str | None:
        connection = http.client.HTTPSConnection(self._host, API_PORT, timeout=TIMEOUT, context=self._tls)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
            return body if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def items(self, path: str) -> list[dict[str, Any]]:
        body = self.text(path)
        return list(json.loads(body).get("items") or []) if body else []

    def ready(self) -> bool:
        return self.text("/readyz") == "ok"

    def nodes(self) -> list[dict[str, Any]]:
        return self.items("/api/v1/nodes")

    def ready_nodes(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.nodes()
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
        }

    def pods(self) -> list[dict[str, Any]]:
        return self.items("/api/v1/pods")

    def accounts(self) -> set[str]:
        """The namespaces whose default service account exists: before, every pod in them is refused."""
        accounts = self.items("/api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault")
        return {account["metadata"]["namespace"] for account in accounts}
