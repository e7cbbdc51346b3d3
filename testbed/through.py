"""A kubeconfig whose clusters are reached through a port of this machine."""

from __future__ import annotations

from pathlib import Path

import yaml


def kubeconfig(original: Path, port: int, name: str, file: Path) -> Path:
    """The same clusters and users, written to `file`; certificates are checked against the server's own name."""
    config = yaml.safe_load(original.read_text())
    for entry in config["clusters"]:
        entry["cluster"]["server"] = f"https://127.0.0.1:{port}"
        entry["cluster"]["tls-server-name"] = name
    file.touch(0o600)
    file.write_text(yaml.safe_dump(config))
    return file
