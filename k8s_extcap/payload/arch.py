"""What a processor is called: by Kubernetes, by uname, in an ELF header."""

# Left: `uname -m` as Linux says it. Right: the value of the node label kubernetes.io/arch (Go's GOARCH).
_BY_UNAME = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "aarch64_be": None,  # no binary of ours runs there
    "armv7l": "arm",
    "armv8l": "arm",  # a 64-bit kernel that shows itself as 32-bit
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_LABELS = frozenset(arch for arch in _BY_UNAME.values() if arch)

# (EI_CLASS, EI_DATA, e_machine) of elf(5): word size and byte order are part of what can run.
_BY_ELF = {
    (2, 1, 62): "amd64",
    (2, 1, 183): "arm64",
    (1, 1, 40): "arm",
    (2, 1, 21): "ppc64le",
    (2, 2, 22): "s390x",
    (2, 1, 243): "riscv64",
}
ELF_HEADER = 20  # bytes needed: e_ident (16), e_type (2), e_machine (2)


def arch_of_name(name: str) -> str | None:
    """Kubernetes' name for a node label's or uname's word; None for a processor that we know nothing about."""
    word = name.strip()
    return word if word in _LABELS else _BY_UNAME.get(word)


def arch_of_elf(header: bytes) -> str | None:
    """Kubernetes' name for the processor that an ELF file is for, from its first 20 bytes; None for anything else.

    The header of any program of a container (of /proc/PID/exe) says what runs there where no label may be read.
    """
    if len(header) < ELF_HEADER or not header.startswith(b"\x7fELF"):
        return None
    word, order = header[4], header[5]
    machine = int.from_bytes(header[18:20], "big" if order == 2 else "little")
    return _BY_ELF.get((word, order, machine))
