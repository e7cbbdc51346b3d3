"""From a kubeconfig to a session with its API server. With `kubeconfig` the one place that imports `kubernetes`.

The library is used for what it knows best: merging KUBECONFIG, contexts, credentials, TLS files, proxies, its
connection pool. Not `load_config` (prints to stdout) and not the plugins (see `credential`).
"""

from __future__ import annotations

import base64
import logging
import os
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3
from kubernetes import client, config
from kubernetes.client.rest import RESTClientObject, should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from kubernetes.config.kube_config import KubeConfigLoader
from urllib3.util import make_headers

from k8s_extcap.kube import credential, kubeconfig, login, material
from k8s_extcap.kube.api import Api
from k8s_extcap.kube.kubeconfig import Context, Contexts, contexts
from k8s_extcap.kube.login import Forget, Given, Login
from k8s_extcap.kube.material import Keys
from k8s_extcap.model.errors import ConfigError, CredentialError
from k8s_extcap.model.request import Connection
from k8s_extcap.version import VERSION

__all__ = ["Context", "Contexts", "Session", "connect", "contexts"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """A cluster and a user of it. What authorizes is renewed in place: `login` has it, and it is secret."""

    context: str
    namespace: str
    server: str
    ca_digest: str
    api: Api
    login: Login
    server_hostname: str
    proxy: str
    user_agent: str
    timeout: float
    connection: Connection  # as it was asked for: how another process of ours gets the same session again

    @property
    def authorization(self) -> str:
        """The header's value as it is held; `login.current` renews it where it has ended."""
        return self.login.held.authorization

    def __repr__(self) -> str:
        return f"Session({self.context!r}, {self.server!r})"


class _Wanted(NamedTuple):
    """What a session is made of, and made of again: who asks, and where files of ours may lie."""

    connection: Connection
    cache: str
    keys: Keys
    interactive: bool


class _Found(NamedTuple):
    context: Context
    settings: Any
    given: Given


def connect(connection: Connection, *, cache: str, keys: Keys, interactive: bool = True, capture: str = "") -> Session:
    """A session with the context asked for, else the current one, else the cluster we run in. Contacts nobody but
    the credential plugin, whose answer is kept in the private folder `cache`. `interactive`: the user may be asked.
    ConfigError, CredentialError.
    """
    wanted = _Wanted(connection, cache, keys, interactive)
    found = _find(wanted)
    return _session(found, wanted, capture)


def _find(wanted: _Wanted) -> _Found:
    connection = wanted.connection
    settings = client.Configuration()
    in_pod = bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and not os.environ.get("KUBECONFIG")
    if in_pod and not connection.kubeconfig and not Path(kubeconfig.paths("")).exists():
        return _in_cluster(settings, wanted)
    merger = kubeconfig.merged(connection.kubeconfig)
    chosen = kubeconfig.chosen(merger, connection)
    try:
        loader = KubeConfigLoader(config_dict=merger.config, active_context=chosen.name, config_base_path=None)
        until, forget = _obtained(loader, wanted)
        pems = _load(loader, settings, chosen, wanted.keys)
    except ConfigException as error:
        raise ConfigError(
            f"Context '{chosen.name}' cannot be used: {kubeconfig.core(error, '')}. {kubeconfig.MEND}"
        ) from error
    except (TypeError, AttributeError, KeyError) as error:  # a list where a text belongs, and the like
        raise ConfigError(
            f"Context '{chosen.name}' cannot be used: something in its user or cluster is not as kubectl writes it. "
            f"{kubeconfig.MEND}"
        ) from error
    if connection.proxy:
        settings.proxy = connection.proxy
    return _Found(chosen, settings, _given(chosen, settings, pems, wanted.keys, until, forget))


def _user(loader: KubeConfigLoader) -> tuple[dict[str, Any], str]:
    """The merged entry and its file's path; there is no public way to it."""
    node: Any = loader._user  # noqa: SLF001
    value = getattr(node, "value", None)
    return (value if isinstance(value, dict) else {}), getattr(node, "path", None) or ""


def _cluster(loader: KubeConfigLoader) -> dict[str, Any]:
    node: Any = loader._cluster  # noqa: SLF001
    value: dict[str, Any] = node.value
    return value


def _obtained(loader: KubeConfigLoader, wanted: _Wanted) -> tuple[float, Forget]:
    """Puts the credential plugin's answer where a static credential would stand. Until when it counts, and what to
    call when the cluster does not accept it.
    """
    user, path = _user(loader)
    if not isinstance(user.get("exec"), dict):
        rereads = user.get("tokenFile") and not user.get("token")
        return (time.time() + login.REREAD if rereads else login.NEVER), _nothing
    spec, cluster = user.pop("exec"), dict(_cluster(loader))
    folder = str(Path(path).resolve().parent) if path else ""
    got = credential.obtain(spec, cluster, folder, wanted.cache, interactive=wanted.interactive)
    if got.token:
        user["token"] = got.token
    if got.certificate:
        user["client-certificate-data"] = base64.b64encode(got.certificate.encode()).decode()
        user["client-key-data"] = base64.b64encode(got.key.encode()).decode()
    return login.until(got.expires, time.time()), partial(credential.forget, spec, cluster, wanted.cache, got)


def _nothing() -> None:
    """What there is to forget of a credential that is kept nowhere."""


def _load(loader: KubeConfigLoader, settings: Any, context: Context, keys: Keys) -> material.Material:
    """The library's settings. It would write what is embedded in the kubeconfig into files; so it never sees it."""
    user, _ = _user(loader)
    try:
        with ExitStack() as files:
            _public(user, files, keys)
            pems = material.take(_cluster(loader), user)
            loader.load_and_set(settings)
    except (ValueError, OSError) as error:
        raise _unusable(context, error) from error
    return pems


def _public(user: dict[str, Any], files: ExitStack, keys: Keys) -> None:
    """An identity provider's certificate authority, which the library would write into a file that may stay."""
    provider = (user.get("auth-provider") or {}).get("config")
    data = provider.pop("idp-certificate-authority-data", None) if isinstance(provider, dict) else None
    if data and isinstance(provider, dict):
        decoded = base64.standard_b64decode(data)
        provider["idp-certificate-authority"] = files.enter_context(material.readable(decoded, keys))


def _in_cluster(settings: Any, wanted: _Wanted) -> _Found:
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException as error:
        raise ConfigError(f"There is no kubeconfig, and the service account cannot be used: {error}.") from error
    file = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    namespace = file.read_text().strip() if file.exists() else "default"
    context = Context("in-cluster", namespace, str(settings.host), "", "")
    until = time.time() + login.REREAD  # the kubelet renews the token's file
    return _Found(context, settings, _given(context, settings, material.Material(), wanted.keys, until, _nothing))


def _given(context: Context, settings: Any, pems: material.Material, keys: Keys, until: float, forget: Forget) -> Given:
    authorization = str(settings.auth_settings().get("BearerToken", {}).get("value") or "")
    try:
        if settings.cert_file and not pems.certificate:
            key = Path(settings.key_file).read_bytes() if settings.key_file else b""
            pems = pems._replace(certificate=Path(settings.cert_file).read_bytes(), key=key)
        tls = None
        if str(settings.host).startswith("https"):
            tls = material.context(pems, settings.ssl_ca_cert or "", keys, verify=settings.verify_ssl)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _unusable(context, error) from error
    return Given(authorization, pems, tls, until, forget)


def _unusable(context: Context, error: Exception) -> CredentialError:
    return CredentialError(
        f"The certificates of context '{context.name}' cannot be loaded ({_reason(error)}). Check the user and "
        "cluster entries of the kubeconfig."
    )


def _session(found: _Found, wanted: _Wanted, capture: str) -> Session:
    context, settings, given = found
    agent = f"k8s-extcap/{VERSION}" + (f" (capture {capture})" if capture else "")
    server = context.server.rstrip("/")

    def again() -> Given | None:
        now = _find(wanted._replace(interactive=False))
        same = (now.context.server, now.context.ca_digest) == (context.server, context.ca_digest)
        return now.given if same else None

    settings.connection_pool_maxsize = 4  # the threads that ask at the same time at a capture's start
    # One judgement on certificates for requests and streams: nothing but our TLS context has any.
    settings.ssl_ca_cert = settings.cert_file = settings.key_file = None
    settings.proxy_headers = _proxy_headers(str(settings.proxy or ""))
    pool = _pool(context, settings)
    pool.connection_pool_kw["ssl_context"] = given.tls
    held = Login(given, again)
    held.on_renewed = lambda new: pool.connection_pool_kw.update(ssl_context=new.tls)  # for connections made from now
    proxy = str(settings.proxy or "")
    if proxy and should_bypass_proxies(server, settings.no_proxy or ""):
        proxy = ""
    shown = proxy.rpartition("@")[2] or "none"  # without the password that may stand in it
    _log.info("context %s, server %s, proxy %s", context.name, server, shown)
    return Session(
        context=context.name,
        namespace=context.namespace,
        server=server,
        ca_digest=context.ca_digest,
        api=Api(pool, server, {"User-Agent": agent, "Accept": "application/json"}, wanted.connection.timeout, held),
        login=held,
        server_hostname=str(settings.tls_server_name or ""),
        proxy=proxy,
        user_agent=agent,
        timeout=wanted.connection.timeout,
        connection=wanted.connection,
    )


def _pool(context: Context, settings: Any) -> Any:
    try:
        return RESTClientObject(settings).pool_manager
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ConfigError(
            f"The proxy of context '{context.name}' is no address. Correct proxy-url in the kubeconfig, HTTPS_PROXY or "
            "the option Proxy: http://HOST:PORT."
        ) from error


def _proxy_headers(proxy: str) -> dict[str, str] | None:
    """urllib3 does not send the user and password of a proxy's address by itself; Go does."""
    parts = urlsplit(proxy)
    if not parts.username:
        return None
    return dict(make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"))


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).partition(" (_ssl")[0]
