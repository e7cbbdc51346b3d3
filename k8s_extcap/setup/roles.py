"""What each way to capture has to be allowed, and nothing more: the one source of `docs/roles/`, of doctor's questions
and of the Role it prints.

A right that only makes answers better stands in a part of its own, with what it is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple


class Right(NamedTuple):
    """One verb on one resource. `group` is the API group, "" the core one; `sub` the subresource."""

    verb: str
    resource: str
    sub: str = ""
    group: str = ""

    def spoken(self) -> str:
        return f"{self.verb} {self.resource}{'/' + self.sub if self.sub else ''}"


Rights = tuple[Right, ...]
Place = Literal["target", "helper", "cluster"]  # the namespace of the pods, that of the helper, no namespace


def rights(verbs: str, *resources: str, group: str = "") -> Rights:
    """`rights("get create", "pods/exec")`."""
    split = [(name, sub) for name, _, sub in (r.partition("/") for r in resources)]
    return tuple(Right(verb, name, sub, group) for name, sub in split for verb in verbs.split())


class Part(NamedTuple):
    """One Role (a ClusterRole where `place` is "cluster") and why somebody needs it."""

    name: str
    why: str
    rights: Rights
    place: Place = "target"


_EXEC = rights("get create", "pods/exec")  # the WebSocket's GET is `get`; since 1.35 the API server asks for both
_IN_POD = (*rights("get", "pods"), *_EXEC)
_HELPER = (*rights("list", "pods"), *_EXEC, *rights("create delete", "jobs", group="batch"))
_BARE = (*rights("list create delete", "pods"), *_EXEC)
_COPY = (*rights("get create delete", "pods"), *_EXEC)
_CONTROLLERS = (
    *rights("list", "services", "replicationcontrollers"),
    *rights("list", "replicasets", "statefulsets", "daemonsets", group="apps"),
    *rights("list", "jobs", group="batch"),
)
_PROCESSOR = Part("k8s-extcap-node-get", "The node tells for which processor.", rights("get", "nodes"), "cluster")

# By file in docs/roles.
METHODS: dict[str, tuple[Part, ...]] = {
    "listing": (
        Part("k8s-extcap-listing", "See the pods of the namespace in Wireshark's list.", rights("list", "pods")),
    ),
    "resident": (Part("k8s-extcap-resident", "Capture with the tcpdump that a container of the pod has.", _IN_POD),),
    "upload": (Part("k8s-extcap-upload", "Capture with our tcpdump, sent into a container for a second.", _IN_POD),),
    "ephemeral": (
        Part(
            "k8s-extcap-ephemeral",
            "Capture from an ephemeral container that is added to the pod.",
            (*_IN_POD, *rights("patch", "pods/ephemeralcontainers")),
        ),
    ),
    "nsenter": (
        Part(
            "k8s-extcap-nsenter",
            "Capture from a helper pod on the pod's node, made in the pod's own namespace.",
            (*rights("get", "pods"), *_HELPER),
        ),
    ),
    "nsenter-elsewhere": (
        Part("k8s-extcap-nsenter-target", "The pods that are captured are looked up here.", rights("get", "pods")),
        Part("k8s-extcap-nsenter-helper", "The helper pod is made here (--helper-namespace).", _HELPER, "helper"),
        _PROCESSOR,
    ),
    "nsenter-without-jobs": (
        Part(
            "k8s-extcap-nsenter-pod",
            "As nsenter, with a bare helper pod: where nobody may create Jobs. Nobody but us deletes it.",
            (*rights("get", "pods"), *_BARE),
        ),
    ),
    "node": (Part("k8s-extcap-node", "Capture from a node (--helper-namespace).", _HELPER, "helper"), _PROCESSOR),
    "copy": (Part("k8s-extcap-copy", "Run a second copy of the pod and capture from it.", _COPY),),
    "copy-service-labels": (
        Part(
            "k8s-extcap-copy-service-labels",
            "As copy, and the copy takes traffic of the pod's Service (--service-labels): who selects it is read.",
            (*_COPY, *_CONTROLLERS),
        ),
    ),
}

OPTIONAL: tuple[Part, ...] = (
    Part(
        "k8s-extcap-events",
        "A capture that writes anything tells so by an Event on the pod, at its start and its end.",
        rights("create", "events"),
    ),
    Part(
        "k8s-extcap-workloads",
        "List and name Deployments, StatefulSets, DaemonSets, Jobs and Services instead of their pods.",
        (
            *rights("get list", "services"),
            *rights("get list", "deployments", "statefulsets", "daemonsets", group="apps"),
            *rights("get list", "jobs", group="batch"),
        ),
    ),
    Part(
        "k8s-extcap-undo",
        "Find what a killed capture left when the API server's answer was lost, and whose (k8s-extcap cleanup).",
        (*rights("get list", "pods"), *rights("get list", "jobs", group="batch")),
        "helper",
    ),
    Part(
        "k8s-extcap-nodes",
        "Know a node's processor, taints and system before anything is made for it; list nodes.",
        rights("get list", "nodes"),
        "cluster",
    ),
    Part(
        "k8s-extcap-namespaces",
        "Know a namespace's pod security level before a container is refused; choose namespaces in the dialog.",
        rights("get list", "namespaces"),
        "cluster",
    ),
)


def of(method: str, place: Place = "target") -> Rights:
    """What the method needs in that place."""
    return tuple(right for part in METHODS[method] if part.place == place for right in part.rights)


def rules(wanted: Iterable[Right], comment: str = "") -> list[str]:
    """YAML lines of RBAC rules, one for each resource, verbs together."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in wanted:
        name = f"{right.resource}/{right.sub}" if right.sub else right.resource
        verbs.setdefault((right.group, name), []).append(right.verb)
    lines = []
    for (group, resource), words in verbs.items():
        lines += [
            f'  - apiGroups: ["{group}"]' + (f"  # {comment}" if comment else ""),
            f"    resources: [{resource}]",
            f"    verbs: [{', '.join(words)}]",
        ]
    return lines


def head(name: str, namespace: str) -> list[str]:
    """YAML lines before the rules; without a namespace it is a ClusterRole."""
    kind = "Role" if namespace else "ClusterRole"
    lines = ["apiVersion: rbac.authorization.k8s.io/v1", f"kind: {kind}", "metadata:", f"  name: {name}"]
    return [*lines, *([f"  namespace: {namespace}"] if namespace else []), "rules:"]


def _document(part: Part) -> str:
    namespace = {"target": "shop", "helper": "tools", "cluster": ""}[part.place]
    return "\n".join([f"# {part.why}", *head(part.name, namespace), *rules(part.rights)]) + "\n"


def files() -> dict[str, str]:
    """Name -> content of docs/roles: YAML, for namespaces that stand for the reader's own."""
    written = {f"{name}.yaml": "---\n".join(map(_document, parts)) for name, parts in METHODS.items()}
    return {**written, "optional.yaml": "---\n".join(map(_document, OPTIONAL))}
