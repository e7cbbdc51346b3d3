"""The processors that payload is built for; a new one is a new row."""

from typing import NamedTuple


class Target(NamedTuple):
    """One processor under the name that Kubernetes uses in the label kubernetes.io/arch."""

    arch: str
    triple: str  # for zig; configure takes it as --host
    machine: int  # e_machine in the ELF header: elf.h, EM_*
    qemu: str  # qemu-user's name, to try the result on another machine
    cpu: str = "baseline"


TARGETS = (
    Target("amd64", "x86_64-linux-musl", 62, "x86_64"),
    Target("arm64", "aarch64-linux-musl", 183, "aarch64"),
    Target("arm", "arm-linux-musleabihf", 40, "arm"),
    Target("ppc64le", "powerpc64le-linux-musl", 21, "ppc64le"),
    Target("s390x", "s390x-linux-musl", 22, "s390x"),
    Target("riscv64", "riscv64-linux-musl", 243, "riscv64"),
)

# What a wheel carries, and what `--arch all` builds; nearly every node is one of these.
SHIPPED = ("amd64", "arm64")


def target(arch: str) -> Target:
    """The row of `arch`; KeyError for a name that no row has."""
    return {row.arch: row for row in TARGETS}[arch]
