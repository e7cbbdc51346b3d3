"""A capture as data: what is known, what each method thinks of it, and what would be done, step by step.

`methods/*.py` each have `assess(request, target, facts) -> Verdict` and `plan(request, target, facts, capture) ->
Plan`. `run/executor.py` interprets the steps; every step's undo is journaled before the step is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from k8s_extcap.model.objects import Pod
from k8s_extcap.model.request import METHODS, MethodName

Tri = bool | None  # yes, no, unknown: a missing right makes a fact unknown, never an error


@dataclass(frozen=True, slots=True)
class Target:
    """One pod (or node) to capture. `container` is the one named by the user, or "" for any. For a node capture
    `pod` is an empty Pod and `node` its name; otherwise `node` is where the pod runs ("" while unscheduled).
    """

    context: str
    namespace: str
    pod: Pod
    container: str = ""
    node: str = ""
    is_node: bool = False

    @property
    def name(self) -> str:
        return self.node if self.is_node else self.pod.metadata.name

    def spoken(self) -> str:
        return f"node {self.node}" if self.is_node else f"pod {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in the container where a file can be written and run. `tmpfs`: what is written there is memory."""

    path: str
    free: int | None = None
    tmpfs: bool = False


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What one probe (an exec of a small shell text) learned inside a container. `error` is the refusal's sentence;
    `shell` False means: there is no `sh`, so nothing else is known.
    """

    name: str
    shell: Tri = None
    error: str = ""
    uid: int | None = None
    cap_eff: int | None = None  # bit mask of CapEff in /proc/self/status
    machine: str = ""  # uname -m
    tcpdump: str = ""  # path, "" where there is none
    tcpdump_version: tuple[int, ...] = ()
    tcpdump_caps: Tri = None  # has a file capability
    tcpdump_user: bool = False  # /etc/passwd has a user of that name
    tools: tuple[str, ...] = ()  # of: dd sha256sum chmod rm mv sleep nsenter
    places: tuple[Place, ...] = ()
    nics: tuple[str, ...] = ()
    memory_limit: int | None = None  # bytes; None is unknown or unlimited
    memory_used: int | None = None
    cpu_millis: int | None = None  # quota in thousandths of a CPU; None is unknown or unlimited


CAP_NET_RAW = 13  # include/uapi/linux/capability.h


@dataclass(frozen=True, slots=True)
class Binary:
    """A program of our payload for one processor, as its manifest describes it."""

    file: str  # "tcpdump-amd64"
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when the method is chosen. `may` answers `verb resource[/subresource]` in the target's (or
    with `@NS` appended, another) namespace, for example `create pods/exec`, `patch pods/ephemeralcontainers`.
    """

    containers: dict[str, ContainerFacts] = field(default_factory=dict)
    may: dict[str, Tri] = field(default_factory=dict)
    enforce: str | None = None  # pod-security level the namespace enforces, None: unknown
    node_arch: str = ""  # kubernetes.io/arch of the node, "" unknown
    node_os: str = ""
    node_tainted: Tri = None
    node_virtual: Tri = None  # a virtual kubelet: no node behind it to run a helper on
    api_port: int = 443  # of the API server as we reach it: its stream is left out of a node's packets
    raw: dict[str, Any] = field(default_factory=dict)  # the pod as the API gave it, read for a copy only
    services: tuple[dict[str, str], ...] | None = None  # selectors in its namespace, read for a copy with labels only
    controllers: tuple[dict[str, str], ...] | None = None  # likewise, of everything that adopts pods
    binaries: dict[str, Binary] = field(default_factory=dict)  # "tcpdump-amd64" -> what can be uploaded
    dry_run: dict[str, str | None] = field(default_factory=dict)  # what was tried -> refusal, verbatim; None: admitted


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a method would work. `usable` None: nothing known speaks against it, it is worth a try.
    `sentence` says why (not); `ask` is the one thing to ask for, "" where nothing helps.
    """

    method: MethodName
    usable: Tri
    sentence: str
    ask: str = ""
    container: str = ""

    @property
    def footprint(self) -> int:
        return METHODS.index(self.method)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of our payload to write on the far side, checked there by length and digest before it runs."""

    file: str  # name in the payload's manifest, e.g. "tcpdump-amd64"
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """The exec that carries the packets. `command` is the whole argv; `settle` is how long in seconds to wait before
    `stop` so that the far ring is empty (one block timer and a little).
    """

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    uploads: tuple[Upload, ...] = ()
    settle: float = 0.03
    nic: str = ""
    tail: str = ""  # an argument that goes through stdin, because the request line has 4,096 bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One deed. `path` is the API path of the collection (create) or the object (the others). `undo` True: the object
    (named `name` in `path`'s collection) is deleted afterwards; it is journaled before the deed. `stays` says what
    remains although everything went well.
    """

    verb: Literal["create", "patch", "wait"]
    path: str
    what: str  # for people: `helper job tools/k8s-extcap-x`
    name: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    content_type: str = "application/json"
    timeout: float = 30.0
    undo: bool = False
    stays: str = ""
    # wait: until this container of the pod at `path` runs (pod of a Job: `selector` finds it)
    container: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    method: MethodName
    target: Target
    steps: tuple[Step, ...]
    execs: tuple[ExecSpec, ...]
    why: str  # one sentence: what is done and why not something smaller
    leaves: str = "nothing"  # what stays afterwards, for people
    reuses: str = ""  # a container of an earlier capture, which may end itself before this one is in it


__all__ = [
    "CAP_NET_RAW",
    "Binary",
    "ContainerFacts",
    "ExecSpec",
    "Facts",
    "Place",
    "Plan",
    "Step",
    "Target",
    "Tri",
    "Upload",
    "Verdict",
]
