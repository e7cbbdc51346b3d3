"""Answers of 400 and more as errors: of a request, and of an exec in the words of the one who wants packets.

The server's own words stay verbatim. docs/errors.md has every sentence and when it is said.
"""

from __future__ import annotations

import logging

import msgspec

from k8s_extcap.model.errors import (
    LIMIT,
    REST,
    ConnectError,
    CredentialError,
    ExtcapError,
    RefusedError,
    TargetError,
    clip,
    fitted,
)
from k8s_extcap.model.objects import UNREADABLE, Status

_log = logging.getLogger(__name__)

WHOLE = 8000  # characters of a refusal that go to the log; webhooks write what they like
LEAST = 120  # of them that are shown, whatever else has to be said
_ADVICE = {404: " Check the name, or choose another.", 409: " Try again.", 410: " Try again."}


def refusal(status: int, data: bytes, what: str, server: str, after: float = 0.0) -> ExtcapError:
    """The error for an answer of 400 or more; the server's words are kept verbatim. `after`: its Retry-After."""
    try:
        said = msgspec.json.decode(data, type=Status)
    except UNREADABLE:
        said = Status()
    if status == 401:
        return CredentialError(
            f"The cluster at {server} does not accept these credentials (401 {said.message or 'Unauthorized'}). They "
            "may have expired: log in again, then try once more."
        )
    if status == 403 and '"system:anonymous"' in said.message:
        return CredentialError(
            f"The cluster at {server} was given no credentials and refused: {said.message.rstrip('.')}. Log in, or use "
            "a context whose user has credentials."
        )
    if status == 404 and not said.message:
        return ConnectError(_foreign(status, data, what, server))  # or an object would be taken for gone
    return RefusedError(
        _worded(status, said, what, server, after) if said.message else _foreign(status, data, what, server),
        status=status,
        reason=said.reason,
        server_text=said.message or _plain(data),
        retry_after=after,
        continue_=said.metadata.continue_,
    )


def _worded(status: int, said: Status, what: str, server: str, after: float) -> str:
    message = said.message.strip()
    message += "" if message.endswith((".", "!", "?")) else "."
    head, advice = "The cluster refused: ", _ADVICE.get(status, "")
    if status == 429 or status >= 500:
        pause = f"after {after:.0f} s" if after else "in a moment"
        head, advice = f"The cluster at {server} cannot answer {what} now (HTTP {status}): ", f" Try again {pause}."
    elif status == 403 and " cannot " in message:
        advice = " Ask for that right, or use another context or namespace."
    short = fitted(message, max(LEAST, LIMIT - len(head) - len(advice)))
    if short.endswith(REST):
        _log.warning("%s was refused: %s", what, clip(message, WHOLE))
    return head + short + advice


def _foreign(status: int, data: bytes, what: str, server: str) -> str:
    """No Status: something before the API server, or a piece of it that speaks plain text."""
    text = _plain(data)
    words = f"the words '{text}'" if text else "no words"
    return (
        f"{what} was answered with HTTP {status} and {words}, not as an API server does. A proxy or gateway may stand "
        f"before {server}: check HTTPS_PROXY, NO_PROXY and the kubeconfig's proxy-url, or try again."
    )


def _plain(data: bytes) -> str:
    """Readable words of an answer that may be HTML: what stands between its tags, at most 120 characters."""
    words, inside = [], False
    for char in data[:4000].decode(errors="replace"):
        if char in "<>":
            inside = char == "<"
            words.append(" ")
        elif not inside:
            words.append(char)
    return " ".join("".join(words).split())[:120]


# The exec


def broken_off(server: str, said: str) -> str:
    return (
        f"The API server {server} broke off the exec's handshake ({said}). A proxy or load balancer on the way may not "
        "let WebSockets pass: set NO_PROXY for it, or try again."
    )


def explain(told: RefusedError, pod: str, container: str) -> ExtcapError:
    """The error for an exec into `pod` (NAMESPACE/NAME) that the API server, the kubelet or a gateway refused."""
    text = told.server_text
    if told.status == 404 and told.reason:
        return TargetError(
            f"There is no pod {pod} (any more): {text}. Refresh the interface list (F5), or name another."
        )
    if told.status == 400 and "is not valid for pod" in text:
        return TargetError(
            f"Pod {pod} has no container '{container}': {text}. 'kubectl describe pod' names those it has."
        )
    if told.status == 400 and "does not have a host assigned" in text:
        return TargetError(f"Pod {pod} is not scheduled on a node yet. Its events say why: 'kubectl describe pod'.")
    if told.status == 500 and ("container not found" in text or not text):
        named = f"Container '{container}'" if container else "The container"
        said = f" ({text})" if text else ""
        return TargetError(f"{named} of pod {pod} is not running{said}. 'kubectl get pod' shows its state.")
    if told.status == 403 and text.rstrip().endswith("is forbidden:"):
        return no_create(told, pod)
    return _refused(f"The exec into pod {pod}", told)


def no_create(told: RefusedError, pod: str) -> RefusedError:
    """`get` on pods/exec but no `create`: the one refusal for which the API server gives no reason."""
    return _same(
        told,
        f"The cluster does not let you exec into pod {pod}: the verb create on pods/exec "
        "is missing, which WebSockets need since Kubernetes 1.35; the refusal gives no reason. Ask for: "
        'apiGroups [""], resources [pods/exec], verbs [get, create].',
    )


def _refused(what: str, told: RefusedError) -> RefusedError:
    text = told.server_text.rstrip(". ")
    if told.status in (429, 503, 504) or (told.status >= 500 and told.reason):
        return _same(told, f"{what} was refused for the moment (HTTP {told.status}): {text}. Try again in a moment.")
    if told.reason:
        ask = " Ask for that right, or use another context." if "cannot" in text and told.status == 403 else ""
        return _same(told, f"{what} was refused: {text}.{ask}")
    # Without a reason it is no Status: unlike an API server, and an API server refuses protocols in this way.
    words = f"with the words '{text}'" if text else "without a word"
    return _same(
        told,
        f"{what} was refused (HTTP {told.status}) {words}. That is not how an API server speaks: a proxy or gateway "
        "that does not let WebSockets pass? Set NO_PROXY for it, or ask who runs it.",
    )


def _same(told: RefusedError, sentence: str) -> RefusedError:
    return RefusedError(
        sentence,
        status=told.status,
        reason=told.reason,
        server_text=told.server_text,
        retry_after=told.retry_after,
    )
