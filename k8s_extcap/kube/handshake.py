"""What a refused handshake of an exec means. The WebSocket library keeps only what had arrived of the refusal's body,
so the request is repeated plainly, to get it whole.
"""

from __future__ import annotations

import logging

from k8s_extcap.kube import refused as words
from k8s_extcap.kube.connect import Session
from k8s_extcap.model.errors import CredentialError, ExtcapError, RefusedError

_log = logging.getLogger(__name__)


def refused(
    session: Session, namespace: str, name: str, container: str, path: str, status: int, body: bytes
) -> ExtcapError:
    """The error by what the user can do about it; `body` is what came of the answer's."""
    pod = f"{namespace}/{name}"
    try:
        session.api.get(path)
    except RefusedError as told:
        if told.status == status and told.server_text:
            return words.explain(told, pod, container)
    except ExtcapError as told:
        if isinstance(told, CredentialError):
            return told
        _log.info("the refusal could not be asked for again: %s", told)
    told_now = words.refusal(status, body, "exec", session.server)
    if not isinstance(told_now, RefusedError):
        return told_now
    # The plain request passes where only the right to upgrade is missing, and the words of that refusal may be cut.
    if status == 403 and session.api.may("create", "pods", namespace=namespace, subresource="exec") is False:
        return words.no_create(told_now, pod)
    return words.explain(told_now, pod, container)
