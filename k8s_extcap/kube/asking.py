"""Questions to the API server whose answer may be no: a refusal is a fact, not an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from k8s_extcap.kube.api import Api
from k8s_extcap.kube.refused import WHOLE
from k8s_extcap.model.errors import RefusedError, clip
from k8s_extcap.model.objects import UNREADABLE
from k8s_extcap.model.plan import Tri

_log = logging.getLogger(__name__)
T = TypeVar("T")


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class _RulesStatus(msgspec.Struct, frozen=True, rename="camel"):
    resource_rules: tuple[_Rule, ...] = ()


class _Rules(msgspec.Struct, frozen=True):
    status: _RulesStatus = _RulesStatus()


def _grants(rule: _Rule, verb: str, group: str, resource: str) -> bool:
    sub = resource.partition("/")[2]
    return (
        not rule.resource_names
        and bool({verb, "*"} & set(rule.verbs))
        and bool({group, "*"} & set(rule.api_groups))
        and bool({resource, "*", f"*/{sub}" if sub else "*"} & set(rule.resources))
    )


def may(api: Api, namespace: str, needs: Iterable[str]) -> dict[str, Tri]:
    """Answers for needs like `create pods/exec` or `create jobs.batch@tools`. One rules review says yes to most; what
    it does not name (other authorizers, rules by name) is asked one by one, over the same connection.
    """
    answers: dict[str, Tri] = {}
    rules: dict[str, tuple[_Rule, ...]] = {}
    for need in needs:
        verb, _, rest = need.partition(" ")
        rest, _, place = rest.partition("@")
        where = place or namespace
        name, _, sub = rest.partition("/")
        plain, _, group = name.partition(".")
        if where not in rules:
            rules[where] = _rules(api, where)
        if any(_grants(r, verb, group, f"{plain}/{sub}" if sub else plain) for r in rules[where]):
            answers[need] = True
        else:
            answers[need] = api.may(verb, name, namespace=where, subresource=sub)
    return answers


def _rules(api: Api, namespace: str) -> tuple[_Rule, ...]:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = unless_refused(lambda: api.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body))
    try:
        return msgspec.json.decode(answer or b"{}", type=_Rules).status.resource_rules
    except UNREADABLE:
        return ()


def unless_refused(deed: Callable[[], T]) -> T | None:
    """None where the server said no. Not reaching it is an error still."""
    try:
        return deed()
    except RefusedError as error:
        _log.info("unknown: %s", error)
        return None


def dry(key: str, deed: Callable[[], Any]) -> dict[str, str | None]:
    """The answer of a dry run: admitted, refused with its words, or nothing where a webhook does not support it."""
    try:
        deed()
    except RefusedError as error:
        if "dry run" in error.server_text.lower() or error.status not in (400, 403, 422):
            return {}
        text = error.server_text or error.sentence
        _log.warning("%s would be refused: %s", key, clip(text, WHOLE))
        return {key: text}
    return {key: None}
