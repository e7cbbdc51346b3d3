"""One processor's programs from the pinned sources, in a folder of its own."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from payload import patch, sources, zig
from payload.targets import Target

HERE = Path(__file__).parent

_CFLAGS = "-Os -ffunction-sections -fdata-sections -fno-ident -g0"
_LDFLAGS = "-static -s -Wl,--gc-sections"
_LIBPCAP = """--with-pcap=linux --disable-shared --without-libnl --disable-usb --disable-netmap --disable-bluetooth
    --disable-dbus --disable-rdma --without-dag --without-septel --without-snf --without-turbocap --without-dpdk"""
TOOLS = ("make", "flex", "bison")  # the compiler and everything below it come with zig
_TCPDUMP = "--without-crypto --without-smi --without-cap-ng --disable-smb"


class BuildError(Exception):
    """A step of the build failed; the sentence names its log."""


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], log: Path) -> None:
    with log.open("ab") as out:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=out, stderr=out, check=False)
    if done.returncode != 0:
        tail = log.read_text(errors="replace").strip().splitlines()[-1][:120]
        raise BuildError(f"{command[0]} in {folder.name} ended with {done.returncode}: {tail} (the whole log: {log})")


def _environment(row: Target, work: Path, cache: Path) -> dict[str, str]:
    compiler = zig.compiler(cache)
    return {
        **zig.environment(cache),
        "CC": f"{compiler} cc -target {row.triple} -mcpu={row.cpu}",
        "AR": f"{compiler} ar",
        "RANLIB": f"{compiler} ranlib",
        "CFLAGS": f"{_CFLAGS} -ffile-prefix-map={work}=.",
        "LDFLAGS": _LDFLAGS,
        # configure would otherwise find answers by looking at the building machine
        "ac_cv_linux_vers": "6",
        "td_cv_buggygetaddrinfo": "no",
    }


def compile_into(work: Path, row: Target, cache: Path) -> None:
    """Build both programs for one processor in the empty folder `work`; they end in `work/out`."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        raise BuildError(f"{', '.join(lacking)} not found: `apt-get install {' '.join(lacking)}`, then try again.")
    environment = _environment(row, work, cache)
    log = work / "build.log"
    for source, name in ((sources.LIBPCAP, "libpcap"), (sources.TCPDUMP, "tcpdump")):
        sources.unpack(sources.fetch(source, cache / "payload" / "sources"), work / name)
    patch.apply(work / "tcpdump")
    jobs = f"-j{os.cpu_count() or 1}"
    configure = ["./configure", f"--host={row.triple}"]
    _run([*configure, *_LIBPCAP.split()], work / "libpcap", environment, log)
    _run(["make", jobs, "libpcap.a"], work / "libpcap", environment, log)
    _run([*configure, *_TCPDUMP.split()], work / "tcpdump", environment, log)
    _run(["make", jobs, "tcpdump"], work / "tcpdump", environment, log)
    out = work / "out"
    out.mkdir()
    shutil.copy2(work / "tcpdump" / "tcpdump", out / "tcpdump")
    shutil.copy2(HERE / "nsx.c", work / "nsx.c")
    flags = [*environment["CFLAGS"].split(), *_LDFLAGS.split(), "-Wall", "-Wextra", "-Werror"]
    _run([*environment["CC"].split(), *flags, "-o", "out/nsx", "nsx.c"], work, environment, log)
