"""A cluster's refusal is shown as it was written, as far as there is room; what is left out is in the log, and said."""

from __future__ import annotations

import json
import logging

import pytest

from k8s_extcap.kube import asking
from k8s_extcap.kube.refused import refusal
from k8s_extcap.methods import admission
from k8s_extcap.model.errors import LIMIT, REST, RefusedError, fitted

# As Kubernetes 1.36 says it of a pod with hostPID in a namespace that enforces the restricted level: 618 characters.
POLICY = (
    'pods "k8s-extcap-1" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostPID=true), '
    'allowPrivilegeEscalation != false (container "helper" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "helper" must not include "NET_RAW", "SYS_ADMIN", "SYS_PTRACE" in '
    'securityContext.capabilities.add), runAsNonRoot != true (container "helper" must not set '
    'securityContext.runAsNonRoot=false), runAsUser=0 (container "helper" must not set runAsUser=0), seccompProfile '
    '(pod or container "helper" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


def status(message: str) -> bytes:
    return json.dumps({"kind": "Status", "status": "Failure", "message": message, "reason": "Forbidden"}).encode()


def test_a_long_refusal_is_shown_in_part_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    error = refusal(403, status(POLICY), "POST /api/v1/pods", "https://x")
    assert isinstance(error, RefusedError)
    assert len(error.sentence) <= LIMIT
    assert error.sentence.startswith("The cluster refused: " + POLICY[:300])
    assert error.sentence.endswith(f"…{REST}")
    assert POLICY in caplog.text
    assert error.server_text == POLICY


def test_a_short_one_is_whole_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    words = 'pods is forbidden: User "me" cannot list resource "pods" in API group "" in the namespace "a"'
    error = refusal(403, status(words), "GET /api/v1/pods", "https://x")
    assert error.sentence == f"The cluster refused: {words}. Ask for that right, or use another context or namespace."
    assert caplog.text == ""


def test_the_advice_is_kept_behind_it() -> None:
    error = refusal(503, status("x" * 900), "GET /x", "https://" + "s" * 100)
    assert error.sentence.endswith(f"{REST} Try again in a moment.")
    assert len(error.sentence) <= LIMIT


def test_so_is_what_a_dry_run_was_told(caplog: pytest.LogCaptureFixture) -> None:
    def deed() -> None:
        raise refusal(403, status(POLICY), "PATCH /x", "https://x")

    assert asking.dry(admission.PLAIN, deed) == {admission.PLAIN: POLICY}
    assert POLICY in caplog.text


def test_no_escape_of_a_webhook_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        refusal(403, status("\x1b[2J" + "x" * 900), "GET /x", "https://x")
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"), [("short", "short"), ("y" * 60, "y" * 60), ("y" * 61, "y" * 36 + "…" + REST)]
)
def test_what_fits_is_not_marked(text: str, shown: str) -> None:
    assert fitted(text, 60) == shown
    assert len(shown) <= 60
