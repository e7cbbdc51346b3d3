"""A credential plugin whose answer a test changes, with the kubeconfig whose user it serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VERSION = "client.authentication.k8s.io/v1"


class Plugin:
    """Answers with what stands in a file, and counts. It serves the first user of `tree`, a kubeconfig's."""

    def __init__(self, folder: Path, tree: dict[str, Any]) -> None:
        self.tree = tree
        self.runs, self.answer, self.config = folder / "runs", folder / "answer", folder / "kubeconfig"
        program = folder / "plugin"
        program.write_text(f"#!/bin/sh\necho run >>'{self.runs}'\ncat '{self.answer}'\n")
        program.chmod(0o700)
        self.user(exec={"apiVersion": VERSION, "command": str(program), "interactiveMode": "Never"})

    def user(self, **user: object) -> None:
        """The kubeconfig is written anew, with this for its user."""
        self.tree["users"][0]["user"] = user
        self.config.write_text(json.dumps(self.tree))

    def gives(self, token: str, expires: str = "2099-01-01T00:00:00Z", **more: str) -> None:
        status = {"token": token, "expirationTimestamp": expires, **more}
        new = self.answer.with_suffix(".new")
        new.write_text(json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status}))
        new.rename(self.answer)  # a run at this moment reads the one or the other

    def count(self) -> int:
        return len(self.runs.read_text().split())
