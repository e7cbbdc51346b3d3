"""The fields of API objects that we read, and no others: msgspec skips the rest a hundred times faster than the
typed client builds it. Names are those of the Kubernetes API (v1); a field that is absent has its zero value.
"""

from __future__ import annotations

import msgspec

# What decoding raises for bytes that are no such object: bytes that are no text, and brackets in brackets, too.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Api(msgspec.Struct, rename="camel", frozen=True, gc=False):
    pass


class OwnerReference(_Api, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Meta(_Api, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()


class Capabilities(_Api, frozen=True):
    add: tuple[str, ...] = ()


class SecurityContext(_Api, frozen=True):
    run_as_user: int | None = None
    capabilities: Capabilities = Capabilities()


class Resources(_Api, frozen=True):
    limits: dict[str, str | int | float] = {}


class Container(_Api, frozen=True):
    name: str = ""
    image: str = ""
    security_context: SecurityContext | None = None
    resources: Resources = Resources()


class Volume(_Api, frozen=True):
    name: str = ""
    persistent_volume_claim: dict[str, object] | None = None
    host_path: dict[str, object] | None = None
    ephemeral: dict[str, object] | None = None


class PodOs(_Api, frozen=True):
    name: str = ""


class PodSpec(_Api, frozen=True):
    node_name: str = ""
    host_network: bool = False
    host_users: bool | None = None
    runtime_class_name: str = ""
    os: PodOs | None = None
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()


class StateDetail(_Api, frozen=True):
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    started_at: str = ""


class State(_Api, frozen=True):
    running: StateDetail | None = None
    waiting: StateDetail | None = None
    terminated: StateDetail | None = None


class ContainerStatus(_Api, frozen=True):
    name: str = ""
    container_id: str = msgspec.field(default="", name="containerID")
    state: State = State()
    last_state: State = State()


class Ip(_Api, frozen=True):
    ip: str = ""


class Condition(_Api, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class PodStatus(_Api, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[Ip, ...] = msgspec.field(default=(), name="podIPs")
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Api, frozen=True):
    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def statuses(self) -> tuple[ContainerStatus, ...]:
        s = self.status
        return s.container_statuses + s.init_container_statuses + s.ephemeral_container_statuses

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the containers that run now: main ones first, then sidecars, then ephemeral ones."""
        return tuple(s.name for s in self.statuses if s.state.running is not None)

    @property
    def ips(self) -> tuple[str, ...]:
        many = tuple(i.ip for i in self.status.pod_ips if i.ip)
        return many or ((self.status.pod_ip,) if self.status.pod_ip else ())

    @property
    def container_id(self) -> str:
        """Bare id (without `containerd://`) of a running main container, else of any; "" where none is known."""
        for status in sorted(self.statuses, key=lambda s: s.state.running is None):
            if status.container_id:
                return status.container_id.partition("://")[2]
        return ""


class ListMeta(_Api, frozen=True):
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class PodList(_Api, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[Pod, ...] = ()


class Expression(_Api, frozen=True):
    key: str = ""
    operator: str = ""  # In, NotIn, Exists, DoesNotExist
    values: tuple[str, ...] = ()


class LabelSelector(_Api, frozen=True):
    match_labels: dict[str, str] = {}
    match_expressions: tuple[Expression, ...] = ()


class ObjectSpec(_Api, frozen=True):
    """Of workloads: the selector as an object. Of Services (`Service` below): a plain map."""

    selector: LabelSelector | None = None


class Workload(_Api, frozen=True):
    """Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, Namespace: what lists and selection need of them."""

    metadata: Meta = Meta()
    spec: ObjectSpec = ObjectSpec()


class WorkloadList(_Api, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[Workload, ...] = ()


class ServiceSpec(_Api, frozen=True):
    selector: dict[str, str] = {}


class Service(_Api, frozen=True):
    metadata: Meta = Meta()
    spec: ServiceSpec = ServiceSpec()


class ServiceList(_Api, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[Service, ...] = ()


class Taint(_Api, frozen=True):
    key: str = ""
    effect: str = ""


class NodeSpec(_Api, frozen=True):
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class Address(_Api, frozen=True):
    type: str = ""
    address: str = ""


class NodeInfo(_Api, frozen=True):
    architecture: str = ""
    operating_system: str = ""


class NodeStatus(_Api, frozen=True):
    node_info: NodeInfo = NodeInfo()
    addresses: tuple[Address, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Node(_Api, frozen=True):
    metadata: Meta = Meta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class NodeList(_Api, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[Node, ...] = ()


class Cause(_Api, frozen=True):
    reason: str = ""
    message: str = ""


class StatusDetails(_Api, frozen=True):
    causes: tuple[Cause, ...] = ()


class Status(_Api, frozen=True):
    """metav1.Status: of refused requests, and of an exec's end on channel 3 (there without `kind`)."""

    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None
    metadata: ListMeta = ListMeta()  # of a list that expired: where it may go on
