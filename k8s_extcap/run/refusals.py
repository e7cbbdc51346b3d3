"""Why a Job has no pod: its controller was refused it, by a quota or a webhook, and tells that as an event."""

from __future__ import annotations

import msgspec

from k8s_extcap.kube.api import Api, Params
from k8s_extcap.kube.asking import unless_refused
from k8s_extcap.model.errors import LIMIT, MethodError, clip
from k8s_extcap.model.plan import Step

REASON = "FailedCreate"  # pkg/controller/controller_utils.go
_SAID = "Error creating: "
_TAIL = " Choose another one in the option Helper namespace (--helper-namespace), or ask for what it takes."


class _Event(msgspec.Struct, frozen=True):
    message: str = ""


class _Events(msgspec.Struct, frozen=True):
    items: tuple[_Event, ...] = ()


def of_job(api: Api, step: Step) -> MethodError | None:
    """The refusal verbatim; None where there is none, or where events may not be listed. `step` waits for its pod."""
    path = f"{step.path.rpartition('/')[0]}/events"
    wanted: Params = {"fieldSelector": f"involvedObject.kind=Job,involvedObject.name={step.name},reason={REASON}"}
    found = unless_refused(lambda: api.get_as(path, _Events, wanted))
    if not step.name or found is None or not found.items:
        return None
    head = f"No pod is made for {step.what.removesuffix(' runs')}: "
    said = found.items[-1].message.removeprefix(_SAID).rstrip(".")
    return MethodError(head + clip(said, LIMIT - len(head) - len(_TAIL) - 1) + "." + _TAIL)
