"""What Kubernetes admits as names (RFC 1123 labels and subdomains), and what it does not, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from k8s_extcap.model.ids import KINDS, Name

_EDGE = "abcdefghijklmnopqrstuvwxyz0123456789"


def label(longest: int = 63) -> st.SearchStrategy[str]:
    middle = st.text(_EDGE + "-", max_size=longest - 2)
    edge = st.sampled_from(_EDGE)
    return st.one_of(edge, st.builds(lambda a, b, c: a + b + c, edge, middle, edge))


def subdomain() -> st.SearchStrategy[str]:
    return st.lists(label(), min_size=1, max_size=5).map(lambda parts: ".".join(parts)[:253].rstrip("-."))


def names(alias: bool = True) -> st.SearchStrategy[Name]:
    def one(kind: str, namespace: str, name: str, container: str, alias: str) -> Name:
        if kind == "browse":
            return Name("browse")
        if kind == "ns":
            return Name("ns", namespace, alias=alias)
        if kind == "node":
            return Name("node", name=name, alias=alias)
        return Name(kind, namespace, name, container if kind == "container" else "", alias)

    aliases = st.one_of(st.just(""), label(24)) if alias else st.just("")
    return st.builds(one, st.sampled_from(sorted(KINDS)), label(), subdomain(), label(), aliases)
