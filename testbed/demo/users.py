"""Who may do what: the demo cluster's users, their tokens and their rights."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import NamedTuple

READ = ("get", "list", "watch")


class Rule(NamedTuple):
    """As in a Role: verbs on resources (`pods/exec` for a subresource) of one API group."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    group: str = ""
    namespaces: tuple[str, ...] = ()
    """Empty: in all, and for cluster-wide resources."""


class User(NamedTuple):
    context: str
    name: str
    groups: tuple[str, ...]
    rules: tuple[Rule, ...]
    namespace: str = "default"


_EVERYTHING = Rule(("*",), ("*",), "*")
_EXEC = Rule(("get", "create"), ("pods/exec",), namespaces=("shop",))

ADMIN = User("demo", "demo-admin", ("system:masters", "system:authenticated"), (_EVERYTHING,))
# The normal case for a developer: one namespace, and nothing that is cluster-wide.
DEV = User(
    "demo-dev",
    "dev",
    ("system:authenticated",),
    (
        Rule(("get", "list"), ("pods",), namespaces=("dev",)),
        Rule(("get", "create"), ("pods/exec",), namespaces=("dev",)),
    ),
    "dev",
)
NOLIST = User(
    "demo-nolist", "nolist", ("system:authenticated",), (Rule(("get",), ("pods",), namespaces=("shop",)), _EXEC), "shop"
)
# A Role written before Kubernetes 1.35: `get` on pods/exec was enough for WebSocket clients then.
NOCREATE = User(
    "demo-nocreate",
    "nocreate",
    ("system:authenticated",),
    (Rule(READ, ("pods",), namespaces=("shop",)), Rule(("get",), ("pods/exec",), namespaces=("shop",))),
    "shop",
)
# May list but not exec.
VIEWER = User("demo-viewer", "viewer", ("system:authenticated",), (Rule(READ, ("*",), "*"),), "shop")
ANONYMOUS = User("", "system:anonymous", ("system:unauthenticated",), ())

USERS = (ADMIN, DEV, NOLIST, NOCREATE, VIEWER)

# Every authenticated user has these (ClusterRole system:basic-user).
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")


class Wanted(NamedTuple):
    """One act to be authorised. `resource` includes the subresource (`pods/exec`)."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""


def _matches(rule: Rule, wanted: Wanted) -> bool:
    return (
        ("*" in rule.verbs or wanted.verb in rule.verbs)
        and ("*" in rule.resources or wanted.resource in rule.resources)
        and rule.group in ("*", wanted.group)
        and (not rule.namespaces or wanted.namespace in rule.namespaces)
    )


def may(user: User, wanted: Wanted) -> bool:
    if wanted.group in ("authorization.k8s.io", "authentication.k8s.io") and wanted.resource in _REVIEWS:
        return user is not ANONYMOUS
    return any(_matches(rule, wanted) for rule in user.rules)


def rules_in(user: User, namespace: str) -> Iterable[Rule]:
    """The rules that apply in a namespace, as a SelfSubjectRulesReview lists them."""
    return (rule for rule in user.rules if not rule.namespaces or namespace in rule.namespaces)


def make_tokens() -> dict[str, User]:
    """A fresh token for each user, unguessable because other users of the machine can reach the port."""
    return {secrets.token_urlsafe(24): user for user in USERS}
