"""From an interface's name and what the API answered to a target, or to the reason why there is none.

Pure: `run/resolve.py` reads the API. A name that covers several pods is one of them for now, said in the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable

from k8s_extcap.model import ids
from k8s_extcap.model.errors import TargetError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import LabelSelector, Pod
from k8s_extcap.model.plan import Target
from k8s_extcap.select import pods as about

SUGGESTED = 3  # names of present pods in an error
TOLD = 3  # pods of a workload whose reason for being skipped is told; the rest are counted


def pod_target(pod: Pod, context: str, container: str = "") -> Target:
    """A pod as a target. TargetError where it has no such container."""
    have = about.containers(pod)
    if container and container not in have:
        raise TargetError(
            f"Pod {pod.metadata.namespace}/{pod.metadata.name} has no container {container}. "
            f"It has: {', '.join(have[:8])}."
        )
    return Target(context, pod.metadata.namespace, pod, container, pod.spec.node_name)


def choose(name: Name, candidates: Iterable[Pod], container: str = "") -> tuple[Pod | None, str]:
    """One pod of several and a sentence that names it and why not the others; None where none can be captured now.

    Ready ones come first, then those that run longest, then the alphabet: the same pod at the next start.
    """
    found = sorted((pod for pod in candidates if not about.ours(pod)), key=_preference)
    skipped = [(pod, about.unfit(pod, container)) for pod in found]
    fit = [pod for pod, reason in skipped if not reason]
    reasons = [f"{pod.metadata.name} ({reason})" for pod, reason in skipped if reason]
    told = ", ".join(reasons[:TOLD]) + (f" and {len(reasons) - TOLD} more" if len(reasons) > TOLD else "")
    if not fit:
        return None, f"No pod of {name.spoken()} can be captured" + (f": {told}." if told else ": it has no pods.")
    chosen = fit[0]
    sentence = f"Of {name.spoken()} pod {chosen.metadata.name} is captured"
    if len(fit) > 1:
        sentence += f", one of {len(fit)} that run"
    if not about.ready(chosen):
        sentence += f", although it is {about.state(chosen)}"
    return chosen, sentence + (f"; not usable: {told}." if told else ".")


def _preference(pod: Pod) -> tuple[bool, str, str]:
    return (not about.ready(pod), pod.metadata.creation_timestamp, pod.metadata.name)


def by_digest(name: Name, candidates: Iterable[Pod]) -> tuple[Pod, str] | None:
    """The pod, and the container where the name means one, whose identity has this digest."""
    for pod in candidates:
        names = about.containers(pod) if name.kind == "container" else ("",)
        for container in names:
            digest = ids.identity_digest(name.kind, name.namespace, pod.metadata.name, container)
            if digest == name.digest:
                return pod, container
    return None


def gone(name: Name, candidates: Iterable[Pod]) -> TargetError:
    """The pod is not there: whose place may have taken it, by interface name."""
    alike: dict[str, list[str]] = {}
    for pod in candidates:
        _, made_by = about.workload(pod)
        if made_by and name.name.startswith(made_by + "-") and name.name.count("-") <= made_by.count("-") + 2:
            alike.setdefault(made_by, []).append(pod.metadata.name)
    spoken = name.spoken()
    spoken = spoken[0].upper() + spoken[1:]
    if not alike:
        return TargetError(f"{spoken} is not there (any more). 'k8s-extcap list' and F5 in Wireshark show what is.")
    # The longest workload name is the nearest: web-admin-7f-x is web-admin's, not web's.
    present = sorted(alike[max(alike, key=len)])[:SUGGESTED]
    shown = ", ".join(ids.render(Name("pod", name.namespace, pod, alias=name.alias)) for pod in present)
    return TargetError(f"{spoken} is not there any more. Of the same workload there is now: {shown}.")


def label_selector(selector: LabelSelector) -> str:
    """The `labelSelector` parameter for a workload's selector."""
    parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
    for one in selector.match_expressions:
        values = f"({','.join(one.values)})"
        forms = {
            "In": f"{one.key} in {values}",
            "NotIn": f"{one.key} notin {values}",
            "Exists": one.key,
            "DoesNotExist": f"!{one.key}",
        }
        parts.append(forms.get(one.operator, one.key))
    return ",".join(parts)
