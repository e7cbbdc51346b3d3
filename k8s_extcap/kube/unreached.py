"""An API server that was not reached: which of the many reasons, told from the libraries' exceptions."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit


def unreached(server: str, error: BaseException, proxy: str = "") -> str:
    """Why the API server was not reached, as a sentence that says what to do. Shared with the exec stream. Of `proxy`
    (its address) only host and port are said: it may hold a password.
    """
    chain = list(_chain(error))
    text = " ".join(f"{type(e).__name__} {e}" for e in chain)
    verification = next((e for e in chain if isinstance(e, ssl.SSLCertVerificationError)), None)
    if verification is not None:
        return _certificate(server, verification)
    if "proxy" in text.lower() or "Tunnel connection failed" in text:
        return (
            f"The proxy {_place(proxy)} did not connect to {server} ({_core(chain)}). Check HTTPS_PROXY, NO_PROXY, the "
            "kubeconfig's proxy-url and the option Proxy."
        )
    if any(isinstance(e, socket.gaierror) for e in chain):
        return f"The name of the API server {server} cannot be resolved. Is the VPN up, is the context the right one?"
    if any(isinstance(e, ConnectionRefusedError) for e in chain):
        return f"Nobody listens at {server} (connection refused). Is the cluster running, is the context the right one?"
    if any(isinstance(e, TimeoutError) for e in chain) or "timed out" in text:
        return f"The API server {server} did not answer in time. Is the network or VPN up? 'kubectl version' tells."
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
        return f"What listens at {server} does not speak TLS. Check the address and port of the kubeconfig's server."
    if any(isinstance(e, ConnectionError) for e in chain) or "Connection aborted" in text:
        return (
            f"{server} ended the connection without an answer. Is it an API server, does a proxy or load balancer on "
            "the way end it? Try again; 'kubectl version' tells the same."
        )
    return f"The API server {server} was not reached ({_core(chain)}). 'kubectl version' tells whether others reach it."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those behind it, the innermost last."""
    seen: set[int] = set()
    inner: object = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        behind = (getattr(inner, "reason", None), getattr(inner, "original_error", None))  # urllib3's
        inner = next((e for e in behind if isinstance(e, BaseException)), inner.__cause__ or inner.__context__)


def _certificate(server: str, error: ssl.SSLCertVerificationError) -> str:
    reason = (error.verify_message or "it is not trusted").rstrip(".")
    if "expired" in reason:
        advice = "Check this machine's clock; else it has to be renewed on the server."
    elif "mismatch" in reason:
        advice = "Use the name it is for as the kubeconfig's server, or set tls-server-name there."
    else:
        advice = "Is the kubeconfig's certificate authority that of this cluster, or does a proxy open the connection?"
    return f"The certificate of {server} was not accepted: {reason}. {advice}"


def _place(proxy: str) -> str:
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port or 80}" if parts.hostname else "of this connection"


def _core(chain: list[BaseException]) -> str:
    """The innermost reason in a few words."""
    last = chain[-1]
    if isinstance(last, OSError) and last.strerror:
        return last.strerror
    return str(last).rpartition(": ")[2].partition(" (_ssl")[0][:160] or type(last).__name__
