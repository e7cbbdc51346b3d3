"""Two network namespaces of our own, joined by a veth: packets to capture without touching the machine's network."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

# From the blocks for documentation and for private use: nothing else on the machine has them.
_NEAR4, _FAR4 = "198.51.100.1", "198.51.100.2"
_NEAR6, _FAR6 = "fd00:6b38:73::1", "fd00:6b38:73::2"

_NEAR_MAC, _FAR_MAC = "02:6b:38:73:00:01", "02:6b:38:73:00:02"  # locally administered


class Link(NamedTuple):
    """Both ends: namespace names, the device's name (the same in both) and addresses. Capture at the near end."""

    near: str
    far: str
    device: str = "veth0"
    near4: str = _NEAR4
    far4: str = _FAR4
    near6: str = _NEAR6
    far6: str = _FAR6

    def inside_near(self) -> tuple[str, ...]:
        """Put before a command's argv, it runs at the near end."""
        return ("ip", "netns", "exec", self.near)

    def inside_far(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.far)


def why_not() -> str | None:
    """The reason why this machine cannot have a link; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces of our own need root"
    if shutil.which("ip") is None:
        return "there is no `ip` (package iproute2)"
    return None


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """A link that is gone afterwards, with everything in it."""
    tag = secrets.token_hex(4)
    made = Link(f"truth-{tag}-a", f"truth-{tag}-b")
    try:
        for name in (made.near, made.far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        # born inside: a moment in the machine's own namespace could wake up its network manager
        peer = ("peer", "name", made.device, "address", _FAR_MAC, "netns", made.far)
        _ip("-n", made.near, "link", "add", made.device, "address", _NEAR_MAC, "type", "veth", *peer)
        for name, four, six in ((made.near, made.near4, made.near6), (made.far, made.far4, made.far6)):
            _ip("-n", name, "address", "add", f"{four}/24", "dev", made.device)
            # nodad: the address works at once instead of after duplicate detection's second
            _ip("-n", name, "address", "add", f"{six}/64", "dev", made.device, "nodad")
            _ip("-n", name, "link", "set", made.device, "up")
        # Known for good: the kernel drops all but a few packets while it looks for a neighbour, and a packet that
        # never was on the wire must not count as missing in a capture.
        for name, mac, addresses in (
            (made.near, _FAR_MAC, (made.far4, made.far6)),
            (made.far, _NEAR_MAC, (made.near4, made.near6)),
        ):
            for address in addresses:
                _ip("-n", name, "neighbour", "add", address, "lladdr", mac, "dev", made.device, "nud", "permanent")
        yield made
    finally:
        for name in (made.near, made.far):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
