"""The binaries that are uploaded into pods, with their manifest."""

from k8s_extcap.payload.arch import arch_of_elf, arch_of_name
from k8s_extcap.payload.binaries import Binary, Missing, find, listed

__all__ = ["Binary", "Missing", "arch_of_elf", "arch_of_name", "find", "listed"]
