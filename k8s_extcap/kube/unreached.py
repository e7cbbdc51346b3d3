"""An API server that was not reached: which of the many reasons, told from the libraries' exceptions."""

from __future__ import annotations


def unreached(server: str, error: BaseException) -> str:
    """Why the API server was not reached, as a sentence that says what to do. Shared with the exec stream."""
    text = f"{type(error).__name__} {error}"
    cause: BaseException | None = error
    while cause is not None:
        text += f" {type(cause).__name__} {cause}"
        cause = cause.__cause__ or cause.__context__
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        reason = text.partition("certificate verify failed:")[2].partition("(")[0].strip() or "not trusted"
        return (
            f"The certificate of {server} was not accepted: {reason}. Is the kubeconfig's certificate authority that "
            "of this cluster, or does a proxy open the connection?"
        )
    if "ProxyError" in text or "proxy" in text.lower():
        return f"The proxy to {server} did not connect ({_core(error)}). Check HTTPS_PROXY, NO_PROXY and proxy-url."
    if "Name or service not known" in text or "NameResolution" in text or "nodename nor servname" in text:
        return f"The name of the API server {server} cannot be resolved. Is the VPN up, is the context the right one?"
    if "refused" in text:
        return f"Nobody listens at {server} (connection refused). Is the cluster running, is the context the right one?"
    if "imeout" in text or "timed out" in text:
        return f"The API server {server} did not answer in time. Is the network or VPN up? 'kubectl version' tells."
    if "RemoteDisconnected" in text or "Connection aborted" in text or "reset by peer" in text:
        return (
            f"{server} ended the connection without an answer. Is it an API server, does a proxy or load balancer on "
            "the way end it? Try again; 'kubectl version' tells the same."
        )
    return f"The API server {server} was not reached: {_core(error)}. 'kubectl version' tells whether others reach it."


def _core(error: BaseException) -> str:
    inner = getattr(error, "reason", None) or error
    return str(inner).rpartition(": ")[2][:160] or type(error).__name__
