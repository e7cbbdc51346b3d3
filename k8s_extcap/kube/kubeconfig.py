"""The kubeconfig, without its secrets: which contexts there are, and where they lead.

The library merges the files that KUBECONFIG names; what can be wrong with them is said here.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigMerger

from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.request import Connection


@dataclass(frozen=True, slots=True)
class Context:
    """One context of the kubeconfig. `ca_digest` names the cluster beyond its address: SHA-256 of its CA, 16 digits."""

    name: str
    namespace: str
    server: str
    ca_digest: str
    user: str


@dataclass(frozen=True, slots=True)
class Contexts:
    current: str
    all: tuple[Context, ...]

    def named(self, name: str) -> Context | None:
        return next((c for c in self.all if c.name == name), None)


def paths(kubeconfig: str) -> str:
    """Where it is looked for."""
    return kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


MEND = "Correct it, or choose another in the option Kubeconfig."


def core(error: Exception, paths: str) -> str:
    """The library's words without its own "Invalid kube-config" and the path that is said already."""
    text = str(error).replace("Invalid kube-config file.", "").replace("Invalid kube-config.", "")
    if paths:
        text = text.replace(paths + " file", "it").replace(paths, "it")
    return text.strip().rstrip(".")


def merged(kubeconfig: str) -> KubeConfigMerger:
    """The files as one tree. ConfigError."""
    where = paths(kubeconfig)
    try:
        merger = KubeConfigMerger(where)
    except ConfigException as error:
        raise ConfigError(f"The kubeconfig {where} cannot be used: {core(error, where)}. {MEND}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is no text"
        raise ConfigError(f"The kubeconfig {where} cannot be read ({reason}). {MEND}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"The file {where} is no kubeconfig. {MEND}") from error
    except Exception as error:  # PyYAML's errors, which this module need not import
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "") or getattr(error, "reason", "") or type(error).__name__
        raise ConfigError(f"The kubeconfig {where} is not valid YAML{line} ({problem}). {MEND}") from error
    if merger.config is None:
        raise ConfigError(
            f"There is no kubeconfig at {where}. Set KUBECONFIG, or choose a file in the option Kubeconfig; "
            "'kubectl config view' shows what kubectl uses."
        )
    return merger


def contexts(kubeconfig: str = "") -> Contexts:
    """All contexts, in the file's order, without contacting anybody. ConfigError."""
    return all_of(merged(kubeconfig))


def all_of(merger: KubeConfigMerger) -> Contexts:
    """Its contexts, in the files' order."""
    tree = merger.config.value
    clusters = {str(c.get("name")): c for c in _sections(tree, "clusters")}
    found = []
    for entry in _sections(tree, "contexts"):
        context = _table(entry.get("context"))
        cluster = clusters.get(str(context.get("cluster")), {})
        detail = _table(cluster.get("cluster"))
        found.append(
            Context(
                name=str(entry.get("name", "")),
                namespace=str(context.get("namespace") or "default"),
                server=_without_user(str(detail.get("server") or "").rstrip("/")),
                ca_digest=_digest(detail, getattr(cluster, "path", "") or ""),
                user=str(context.get("user") or ""),
            )
        )
    return Contexts(str(tree.get("current-context") or ""), tuple(found))


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _without_user(server: str) -> str:
    """Nobody's password belongs into an address that stands in every error."""
    scheme, mark, rest = server.partition("://")
    place, slash, path = rest.partition("/")
    return scheme + mark + place.rpartition("@")[2] + slash + path


def _sections(tree: dict[str, Any], name: str) -> list[Any]:
    entries = tree.get(name)
    listed = getattr(entries, "value", entries)
    values = [getattr(e, "value", e) for e in (listed if isinstance(listed, list) else ())]
    return [v for v in values if isinstance(v, dict)]


def _digest(cluster: dict[str, Any], path: str) -> str:
    data = cluster.get("certificate-authority-data")
    try:
        if data:
            raw = base64.b64decode(data)
        elif cluster.get("certificate-authority"):
            file = Path(cluster["certificate-authority"])
            raw = (file if file.is_absolute() else Path(path or ".").parent / file).read_bytes()
        else:
            return ""
    except (OSError, ValueError, TypeError):
        return ""
    return hashlib.sha256(raw).hexdigest()[:16]


def _leads_somewhere(server: str) -> bool:
    try:
        parts = urlsplit(server)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False


def chosen(merger: KubeConfigMerger, connection: Connection) -> Context:
    """The context asked for, else the current one. ConfigError where it is not there or leads nowhere."""
    known = all_of(merger)
    name = connection.context or known.current
    found = known.named(name)
    if found is None:
        have = ", ".join(c.name for c in known.all[:5]) or "none"
        what = f"has no context '{name}'" if name else "names no current context"
        raise ConfigError(f"The kubeconfig {paths(connection.kubeconfig)} {what}. It has: {have}.")
    users = {str(u.get("name")) for u in _sections(merger.config.value, "users")}
    if not found.server:
        raise ConfigError(
            f"Context '{name}' has no cluster with a server in the kubeconfig {paths(connection.kubeconfig)}. Correct "
            "it, or choose another context."
        )
    if not _leads_somewhere(found.server):
        raise ConfigError(
            f"Context '{name}' leads to the server '{found.server[:80]}', which is no address. Correct it in the "
            f"kubeconfig {paths(connection.kubeconfig)}: https://HOST:PORT."
        )
    if found.user and found.user not in users:
        raise ConfigError(
            f"Context '{name}' names the user '{found.user}', whom the kubeconfig {paths(connection.kubeconfig)} "
            "does not have. Correct it, or choose another context."
        )
    return found
