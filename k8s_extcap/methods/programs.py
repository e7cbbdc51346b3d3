"""Which of our programs runs where: by the node's label where it may be read, else by what the container says."""

from __future__ import annotations

from k8s_extcap.model.plan import Binary, Facts, Upload
from k8s_extcap.payload.arch import arch_of_name

# What stands against every method but resident where there is no payload, and what it takes.
ABSENT = "this installation of k8s-extcap came without the programs that are uploaded"
ASK_INSTALL = "an installation from a wheel, or `python -m payload.build` in a checkout"


def find(facts: Facts, name: str, machine: str = "") -> Binary | str:
    """The binary of program `name` for the target, or why there is none. `machine`: a container's `uname -m`."""
    spoken = facts.node_arch or machine
    arch = arch_of_name(spoken) if spoken else None
    if not spoken:
        return "neither the node nor the container tells its processor"
    binary = facts.binaries.get(f"{name}-{arch}")
    if binary is None:
        have = ", ".join(sorted(f.partition("-")[2] for f in facts.binaries if f.startswith(f"{name}-")))
        return f"this installation has no {name} for processor {spoken} (it has: {have})"
    return binary


def upload(binary: Binary, folder: str, capture: str) -> Upload:
    """Under a name of its own for each capture, so that two never run, check or remove each other's file."""
    name = binary.file.partition("-")[0]
    return Upload(binary.file, f"{folder.rstrip('/')}/k8s-extcap-{capture}-{name}", binary.size, binary.sha256)
