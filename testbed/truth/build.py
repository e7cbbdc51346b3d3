"""`python -m testbed.truth.build`: compile the traffic sender once into the cache; prints its path."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

from payload import zig
from payload.build import cache_root
from payload.targets import target

_SOURCE = Path(__file__).with_name("sender.c")
_FLAGS = ("-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror")
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def sender(arch: str | None = None) -> Path:
    """A static `sender` (see sender.c) for `arch`, by default this machine's; it runs in an image of nothing else."""
    row = target(arch or _ARCH[platform.machine()])
    recipe = _SOURCE.read_bytes() + repr((row, _FLAGS, zig.VERSION)).encode()
    program = cache_root() / "testbed" / "truth" / hashlib.sha256(recipe).hexdigest()[:16] / "sender"
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name("sender.new")
    compiler = [str(zig.compiler(cache_root())), "cc", "-target", row.triple, f"-mcpu={row.cpu}"]
    subprocess.run([*compiler, *_FLAGS, "-o", fresh, _SOURCE], check=True, env=zig.environment(cache_root()))
    fresh.replace(program)
    return program


if __name__ == "__main__":
    print(sender(*sys.argv[1:2]))
