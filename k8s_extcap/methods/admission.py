"""What a namespace's policy admits, as far as it is known: by server-side dry runs, else by its pod security level."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_extcap.model.errors import clip
from k8s_extcap.model.plan import Facts, Tri

# Keys of Facts.dry_run: an ephemeral container as root with NET_RAW added, and with the runtime's default set.
WITH_RAW = "ephemeral+NET_RAW"
PLAIN = "ephemeral"
HELPER = "nsenter"
COPY = "copy"
WHOLE = 2000  # characters of a policy's words that are kept; a restricted namespace's refusal has 600
LABEL = "pod-security.kubernetes.io/enforce"
ELSEWHERE = ", or the method nsenter with a helper in another namespace"


@dataclass(frozen=True, slots=True)
class Policy:
    """`add` are the capabilities to ask for. `usable` False: refused, for the reason in `sentence`."""

    usable: Tri
    add: tuple[str, ...] = ()
    sentence: str = ""
    ask: str = ""


def refused(text: str, ask: str) -> Policy:
    return Policy(False, (), f"the cluster's policy refuses it: {clip(text, WHOLE)}", ask)


def capabilities(facts: Facts) -> Policy:
    """For a root ephemeral container. The baseline level forbids to *add* NET_RAW, yet the default set of containerd
    has it; CRI-O's has not (kubernetes#118962), and then the attempt tells. The restricted level forbids root.
    """
    ask = f"the label {LABEL}: baseline on the namespace{ELSEWHERE}"
    tried = facts.dry_run
    if WITH_RAW in tried and tried[WITH_RAW] is None:
        return Policy(True, ("NET_RAW",))
    if PLAIN in tried and tried[PLAIN] is None:
        return Policy(True)
    refusal = tried.get(PLAIN) or tried.get(WITH_RAW)
    if refusal:
        return refused(refusal, ask)
    if facts.enforce == "restricted":
        return Policy(False, (), "its namespace enforces the restricted level, which admits no root container", ask)
    return Policy(None, () if facts.enforce == "baseline" else ("NET_RAW",))


def copied(facts: Facts) -> tuple[str, ...]:
    """The capabilities for our container in a copy: by the namespace's level, which a dry run then confirms."""
    return () if facts.enforce == "baseline" else ("NET_RAW",)
