"""What a method needs to be allowed, and the one rule to ask for where it is not."""

from __future__ import annotations

from k8s_extcap.model.plan import Facts

EXEC = ("get pods/exec", "create pods/exec")  # the WebSocket's GET is `get`; since 1.35 it needs `create` as well
EPHEMERAL = (*EXEC, "get pods", "patch pods/ephemeralcontainers")


def missing(facts: Facts, needs: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are refused for certain. Unknown is not missing: then the attempt tells."""
    return tuple(need for need in needs if facts.may.get(need) is False)


def rule(lacking: tuple[str, ...]) -> str:
    """RBAC rules as YAML on one line, for needs like `verb resource[.group][/subresource][@namespace]`."""
    verbs: dict[tuple[str, str], list[str]] = {}
    places = set()
    for need in lacking:
        verb, _, rest = need.partition(" ")
        rest, _, namespace = rest.partition("@")
        name, slash, sub = rest.partition("/")
        plain, _, group = name.partition(".")
        verbs.setdefault((group, plain + slash + sub), []).append(verb)
        places.add(namespace)
    rules = [
        f'{{apiGroups: ["{group}"], resources: [{resource}], verbs: [{", ".join(words)}]}}'
        for (group, resource), words in verbs.items()
    ]
    where = f" in namespace {places.pop()}" if places != {""} and len(places) == 1 else ""
    return f"a Role{where} with rules: [{', '.join(rules)}]"


def spoken(lacking: tuple[str, ...]) -> str:
    return "you may not " + ", ".join(need.partition("@")[0] for need in lacking)
