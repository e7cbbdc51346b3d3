"""The kubeconfig of the demo cluster: one context for each user."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from testbed.demo.users import User

CLUSTER = "demo"


def render(url: str, authority: str, tokens: Mapping[str, User]) -> str:
    """JSON, which is YAML too."""
    data = base64.b64encode(authority.encode()).decode()
    users = [{"name": user.context, "user": {"token": token}} for token, user in tokens.items()]
    users.append({"name": "demo-expired", "user": {"token": "expired"}})
    contexts = [
        {"name": user.context, "context": {"cluster": CLUSTER, "user": user.context, "namespace": user.namespace}}
        for user in tokens.values()
    ]
    expired = {"cluster": CLUSTER, "user": "demo-expired", "namespace": "shop"}
    contexts.append({"name": "demo-expired", "context": expired})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": {"server": url, "certificate-authority-data": data}}],
        "users": users,
        "contexts": contexts,
        "current-context": "demo",
    }
    return json.dumps(config, indent=2) + "\n"


def write(path: Path, text: str) -> None:
    """Readable by its owner only: it holds tokens."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
