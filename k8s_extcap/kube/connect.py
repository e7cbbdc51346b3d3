"""From a kubeconfig to a session with its API server. The one place that imports `kubernetes`.

The library is used for what it knows best: merging KUBECONFIG, contexts, credentials, TLS files, proxies, its
connection pool. Not `load_config` (prints to stdout) and not the plugins (see `credential`).
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.rest import RESTClientObject, should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from k8s_extcap.kube import credential
from k8s_extcap.kube.api import Api
from k8s_extcap.model.errors import ConfigError, CredentialError
from k8s_extcap.model.request import Connection
from k8s_extcap.version import VERSION

_log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Session:
    """A cluster and a user of it. `authorization` and the files behind `ssl_context` are secrets."""

    context: str
    namespace: str
    server: str
    ca_digest: str
    api: Api
    ssl_context: ssl.SSLContext | None
    server_hostname: str
    authorization: str
    proxy: str
    user_agent: str
    timeout: float
    connection: Connection  # as it was asked for: how another process of ours gets the same session again

    def __repr__(self) -> str:
        return f"Session({self.context!r}, {self.server!r})"


def _paths(kubeconfig: str) -> str:
    return kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


_MEND = "Correct it, or choose another in the option Kubeconfig."


def _core(error: Exception, paths: str) -> str:
    """The library's words without its own "Invalid kube-config" and the path that is said already."""
    text = str(error).replace("Invalid kube-config file.", "").replace("Invalid kube-config.", "")
    if paths:
        text = text.replace(paths + " file", "it").replace(paths, "it")
    return text.strip().rstrip(".")


def _merged(kubeconfig: str) -> KubeConfigMerger:
    paths = _paths(kubeconfig)
    try:
        merger = KubeConfigMerger(paths)
    except ConfigException as error:
        raise ConfigError(f"The kubeconfig {paths} cannot be used: {_core(error, paths)}. {_MEND}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "it is no text"
        raise ConfigError(f"The kubeconfig {paths} cannot be read ({reason}). {_MEND}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"The file {paths} is no kubeconfig. {_MEND}") from error
    except Exception as error:  # PyYAML's errors, which this module need not import
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "") or getattr(error, "reason", "") or type(error).__name__
        raise ConfigError(f"The kubeconfig {paths} is not valid YAML{where} ({problem}). {_MEND}") from error
    if merger.config is None:
        raise ConfigError(
            f"There is no kubeconfig at {paths}. Set KUBECONFIG, or choose a file in the option Kubeconfig; "
            "'kubectl config view' shows what kubectl uses."
        )
    return merger


def contexts(kubeconfig: str = "") -> Contexts:
    """All contexts, in the file's order, without contacting anybody. ConfigError."""
    tree = _merged(kubeconfig).config.value
    clusters = {c.get("name"): c for c in _sections(tree, "clusters")}
    found = []
    for entry in _sections(tree, "contexts"):
        context = entry.get("context") or {}
        cluster = clusters.get(context.get("cluster"), {})
        detail = cluster.get("cluster") or {}
        found.append(
            Context(
                name=str(entry.get("name", "")),
                namespace=str(context.get("namespace") or "default"),
                server=str(detail.get("server") or "").rstrip("/"),
                ca_digest=_digest(detail, getattr(cluster, "path", "") or ""),
                user=str(context.get("user") or ""),
            )
        )
    return Contexts(str(tree.get("current-context") or ""), tuple(found))


def _sections(tree: dict[str, Any], name: str) -> list[Any]:
    entries = tree.get(name)
    values = [getattr(e, "value", e) for e in getattr(entries, "value", entries) or ()]
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
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(raw).hexdigest()[:16]


def connect(connection: Connection, *, cache: str, interactive: bool = True, capture: str = "") -> Session:
    """A session with the context asked for, else the current one, else the cluster we run in. Contacts nobody but
    the credential plugin, whose answer is kept in the private folder `cache`. `interactive`: the user may be asked.
    ConfigError, CredentialError.
    """
    settings = client.Configuration()
    in_pod = bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and not os.environ.get("KUBECONFIG")
    if in_pod and not connection.kubeconfig and not Path(_paths("")).exists():
        return _in_cluster(settings, connection, capture)
    merger = _merged(connection.kubeconfig)
    known = contexts(connection.kubeconfig)
    name = connection.context or known.current
    chosen = known.named(name)
    if chosen is None:
        have = ", ".join(c.name for c in known.all[:5]) or "none"
        what = f"has no context '{name}'" if name else "names no current context"
        raise ConfigError(f"The kubeconfig {_paths(connection.kubeconfig)} {what}. It has: {have}.")
    users = {str(u.get("name")) for u in _sections(merger.config.value, "users")}
    if not chosen.server:
        raise ConfigError(
            f"Context '{name}' has no cluster with a server in the kubeconfig {_paths(connection.kubeconfig)}. Correct "
            "it, or choose another context."
        )
    if chosen.user and chosen.user not in users:
        raise ConfigError(
            f"Context '{name}' names the user '{chosen.user}', whom the kubeconfig {_paths(connection.kubeconfig)} "
            "does not have. Correct it, or choose another context."
        )
    try:
        loader, forget = _loader(merger, name, cache, interactive=interactive)
        loader.load_and_set(settings)
    except ConfigException as error:
        raise ConfigError(f"Context '{name}' cannot be used: {_core(error, '')}. {_MEND}") from error
    if connection.proxy:
        settings.proxy = connection.proxy
    session = _session(settings, chosen, connection, capture)
    session.api.on_unauthorized = forget
    return session


def _in_cluster(settings: Any, connection: Connection, capture: str) -> Session:
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException as error:
        raise ConfigError(f"There is no kubeconfig, and the service account cannot be used: {error}.") from error
    file = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    namespace = file.read_text().strip() if file.exists() else "default"
    context = Context("in-cluster", namespace, str(settings.host), "", "")
    return _session(settings, context, connection, capture)


def _loader(
    merger: KubeConfigMerger, name: str, cache: str, *, interactive: bool
) -> tuple[KubeConfigLoader, Callable[[], None]]:
    """The library's loader, with the credential plugin's answer put where a static credential would stand; and what
    to call when the cluster does not accept it.
    """
    forget: Callable[[], None] = lambda: None  # noqa: E731
    loader = KubeConfigLoader(config_dict=merger.config, active_context=name, config_base_path=None)
    user: Any = loader._user  # noqa: SLF001 (the merged entry with its file's path; there is no public way to it)
    cluster: Any = loader._cluster  # noqa: SLF001
    value = getattr(user, "value", None)
    if isinstance(value, dict) and isinstance(value.get("exec"), dict):
        spec = value.pop("exec")
        folder = str(Path(user.path).resolve().parent) if getattr(user, "path", None) else ""
        given = credential.obtain(spec, dict(cluster.value), folder, cache, interactive=interactive)
        forget = partial(credential.forget, spec, dict(cluster.value), cache)
        if given.token:
            value["token"] = given.token
        if given.certificate:
            value["client-certificate-data"] = base64.b64encode(given.certificate.encode()).decode()
            value["client-key-data"] = base64.b64encode(given.key.encode()).decode()
    return loader, forget


def _session(settings: Any, context: Context, connection: Connection, capture: str) -> Session:
    agent = f"k8s-extcap/{VERSION}" + (f" (capture {capture})" if capture else "")
    authorization = str(settings.auth_settings().get("BearerToken", {}).get("value") or "")
    server = str(settings.host).rstrip("/")
    settings.connection_pool_maxsize = 4  # the threads that ask at the same time at a capture's start
    try:
        pool = RESTClientObject(settings).pool_manager
        tls = _tls(settings) if server.startswith("https") else None
        if tls is not None:
            pool.connection_pool_kw["ssl_context"] = tls  # one judgement on certificates for requests and streams
    except (ssl.SSLError, OSError, ValueError) as error:
        raise CredentialError(
            f"The certificates of context '{context.name}' cannot be loaded ({_reason(error)}). Check the user and "
            "cluster entries of the kubeconfig."
        ) from error
    proxy = str(settings.proxy or "")
    if proxy and should_bypass_proxies(server, settings.no_proxy or ""):
        proxy = ""
    headers = {"User-Agent": agent, "Accept": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    shown = proxy.rpartition("@")[2] or "none"  # without the password that may stand in it
    _log.info("context %s, server %s, proxy %s", context.name, server, shown)
    return Session(
        context=context.name,
        namespace=context.namespace,
        server=server,
        ca_digest=context.ca_digest,
        api=Api(pool, server, headers, connection.timeout),
        ssl_context=tls,
        server_hostname=str(settings.tls_server_name or ""),
        authorization=authorization,
        proxy=proxy,
        user_agent=agent,
        timeout=connection.timeout,
        connection=connection,
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).partition(" (_ssl")[0]


def _tls(settings: Any) -> ssl.SSLContext:
    """The pool's TLS settings again, for the exec stream."""
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    # Many clusters' own CAs lack the key usage extension that Python 3.13 asks for by default; Go does not ask.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags(0))
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
