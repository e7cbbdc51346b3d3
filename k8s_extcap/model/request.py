"""What the user asked for: the option table's values, parsed once, immutable from then on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from k8s_extcap.model.ids import Name

MethodName = Literal["resident", "upload", "ephemeral", "nsenter", "copy"]

# In the order of their footprint, the smallest first; the number is the footprint.
METHODS: tuple[MethodName, ...] = ("resident", "upload", "ephemeral", "nsenter", "copy")


def footprint(method: MethodName) -> int:
    return METHODS.index(method)


@dataclass(frozen=True, slots=True)
class Limits:
    """0 means no limit. `rate` is bytes per second through one capture; reading slows down to keep it."""

    packets: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rate: int = 20_000_000  # 160 Mbit/s: more than a laptop's uplink carries, less than what would hurt a node


@dataclass(frozen=True, slots=True)
class Helper:
    """The helper pod of `nsenter`, the image of `ephemeral`. Empty image: for `ephemeral` the target's own."""

    image: str = ""
    pull_secret: str = ""
    namespace: str = ""
    service_account: str = ""
    tolerations: str = "all"  # all | none
    labels: tuple[tuple[str, str], ...] = ()
    privileged: bool = False  # only when the unprivileged helper failed and the user allowed it


@dataclass(frozen=True, slots=True)
class Connection:
    kubeconfig: str = ""
    context: str = ""
    proxy: str = ""
    timeout: float = 10.0  # seconds for one request and for the handshake of an exec
    wait: float = 30.0  # seconds for a pending pod, an ephemeral container, a helper
    reconnect: float = 300.0  # seconds for which an interrupted stream is tried again, 0: not at all


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """One capture as asked for. Empty strings and zeros mean: choose for me."""

    target: Name
    container: str = ""
    interface: str = ""
    filter: str = ""
    snaplen: int = 0
    promiscuous: bool = False
    buffer_kib: int = 0
    limits: Limits = field(default_factory=Limits)
    method: MethodName | Literal["auto"] = "auto"
    allow: MethodName = "ephemeral"
    helper: Helper = field(default_factory=Helper)
    upload_folder: str = ""
    tcpdump: str = ""  # path of tcpdump in the target's container
    print_mode: bool = True  # the 100 ms way of a resident tcpdump 4.99; off: immediate mode
    service_labels: bool = False  # copy: keep the labels that a Service selects
    announce: bool = True  # Events on the pod, where anything is written and they may be created
    output: Literal["pcapng", "pcap"] = "pcapng"
    comment: str = ""
    metadata: tuple[str, ...] = ()  # who | where | labels, beyond namespace/pod/container
    connection: Connection = field(default_factory=Connection)
