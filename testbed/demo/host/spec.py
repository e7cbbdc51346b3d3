"""What the API server asks of the node: values that cross the control socket as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

from testbed.demo.host.linux import DEFAULT_CAPABILITIES

# One control message with its descriptors; argv of an exec may reach the kernel's 128 KiB for one argument.
MESSAGE_LIMIT = 1 << 19


@dataclasses.dataclass(frozen=True)
class Container:
    """One container to be started. `program` names a built-in traffic program, `argv` a real command."""

    id: str
    sandbox: str
    image: str
    program: str = ""
    argv: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    uid: int = 0
    capabilities: tuple[str, ...] = tuple(sorted(DEFAULT_CAPABILITIES))
    read_only: bool = False
    cwd: str = "/"
    volumes: tuple[str, ...] = ()
    join_pid_of: str = ""
    host_pid: bool = False
    pod_uid: str = ""


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """The network of one pod: its namespace joins the bridge with these addresses."""

    id: str
    hostname: str
    ipv4: str
    ipv6: str
    host_network: bool = False


class Failed(NamedTuple):
    """Why a container or an exec could not be started, in the runtime's own words."""

    message: str
    code: int


def encode(op: str, number: int, value: Any = None, **more: Any) -> bytes:
    body = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps({"op": op, "n": number, "value": body, **more}).encode()


def decode(raw: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(raw)
    return message


def container_of(body: dict[str, Any]) -> Container:
    tuples = ("argv", "capabilities", "volumes")
    return Container(
        **{
            **body,
            **{key: tuple(body[key]) for key in tuples},
            "env": tuple((key, value) for key, value in body["env"]),
        }
    )
