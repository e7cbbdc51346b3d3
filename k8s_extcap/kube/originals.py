"""What a copy of a pod needs to know: the pod whole, and who would select the copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import msgspec

from k8s_extcap.kube.api import Api
from k8s_extcap.kube.asking import dry, unless_refused
from k8s_extcap.methods import admission, beside, copy, ephemeral
from k8s_extcap.model.objects import ServiceList, WorkloadList
from k8s_extcap.model.plan import Facts, Target
from k8s_extcap.model.request import CaptureRequest

L = TypeVar("L", ServiceList, WorkloadList)

# Everything of Kubernetes' own that adopts a pod by its labels. A Deployment does not: its ReplicaSets do.
_CONTROLLERS = (
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/apis/apps/v1/namespaces/{}/statefulsets",
    "/apis/apps/v1/namespaces/{}/daemonsets",
    "/apis/batch/v1/namespaces/{}/jobs",
)


def add(api: Api, request: CaptureRequest, target: Target, facts: Facts) -> Facts:
    """The facts with the pod as it is, and with all selectors of its namespace where labels are to be kept."""
    data = unless_refused(lambda: api.get(ephemeral.path(target)))
    facts = replace(facts, raw=msgspec.json.decode(data) if data else {})
    if request.service_labels:
        facts = replace(facts, services=_services(api, target.namespace), controllers=_adopters(api, target.namespace))
    image, _ = beside.image_of(request, target, facts)
    if not facts.raw or not facts.may.get("create pods"):
        return facts
    made = copy.body(request, target, facts, image or "none", "")
    tried = dry(admission.COPY, lambda: api.create(f"/api/v1/namespaces/{target.namespace}/pods", made, dry_run=True))
    return replace(facts, dry_run={**facts.dry_run, **tried})


def _all(fetch: Callable[[], list[dict[str, str]]]) -> list[dict[str, str]] | None:
    return unless_refused(fetch)


def _services(api: Api, namespace: str) -> tuple[dict[str, str], ...] | None:
    path = f"/api/v1/namespaces/{namespace}/services"
    found = _all(lambda: [s.spec.selector for page in api.pages(path, ServiceList) for s in page.items])
    return None if found is None else tuple(found)


def _adopters(api: Api, namespace: str) -> tuple[dict[str, str], ...] | None:
    """Their `matchLabels`; an expression beside them is taken as fulfilled, which can only refuse too much."""
    selectors: list[dict[str, str]] = []
    for template in _CONTROLLERS:
        path = template.format(namespace)
        found = _all(lambda path=path: _selectors(api, path))  # type: ignore[misc]
        if found is None:
            return None
        selectors += found
    path = f"/api/v1/namespaces/{namespace}/replicationcontrollers"
    plain = _all(lambda: [s.spec.selector for page in api.pages(path, ServiceList) for s in page.items])
    return None if plain is None else (*selectors, *plain)


def _selectors(api: Api, path: str) -> list[dict[str, str]]:
    return [
        item.spec.selector.match_labels
        for page in api.pages(path, WorkloadList)
        for item in page.items
        if item.spec.selector is not None
    ]
