"""`python -m payload.build [--arch amd64|arm64|...|all]`: build what is uploaded, once per recipe and processor."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from payload import patch, sources, zig
from payload.targets import SHIPPED, TARGETS, Target, target

HERE = Path(__file__).parent
PROGRAMS = ("tcpdump", "nsx")
LICENCES = {"tcpdump": "BSD-3-Clause AND MIT", "nsx": "Apache-2.0 AND MIT"}

# Everything that shapes a binary; this file is in, as it holds the options.
RECIPE = ("block_loop.h", "build.py", "nsx.c", "patch.py", "sources.py", "targets.py", "zig.py")

_CFLAGS = "-Os -ffunction-sections -fdata-sections -fno-ident -g0"
_LDFLAGS = "-static -s -Wl,--gc-sections"
_LIBPCAP = """--with-pcap=linux --disable-shared --without-libnl --disable-usb --disable-netmap --disable-bluetooth
    --disable-dbus --disable-rdma --without-dag --without-septel --without-snf --without-turbocap --without-dpdk"""
_TCPDUMP = "--without-crypto --without-smi --without-cap-ng --disable-smb"


class BuildError(Exception):
    """A step of the build failed; the sentence names its log."""


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "k8s-extcap"


def package_bin() -> Path:
    """Where the package looks for its binaries; never committed."""
    return HERE.parent / "k8s_extcap" / "payload" / "bin"


def recipe_key() -> str:
    """Changes with anything that could change a binary: 16 hexadecimal digits."""
    total = hashlib.sha256()
    for name in RECIPE:
        total.update(name.encode() + b"\0" + (HERE / name).read_bytes())
    return total.hexdigest()[:16]


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


def built(arch: str, *, say: bool = True) -> Path:
    """The cached folder with the binaries of `arch`, built now if this recipe has none."""
    cache = cache_root()
    done = cache / "payload" / recipe_key() / arch
    if all((done / name).exists() for name in PROGRAMS):
        return done
    if say:
        print(f"payload: building {arch} (about a minute) ...", file=sys.stderr, flush=True)
    work = cache / "payload" / "work" / f"{recipe_key()}-{arch}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    compile_into(work, target(arch), cache)
    done.parent.mkdir(parents=True, exist_ok=True)
    try:
        (work / "out").rename(done)
    except OSError:
        # Somebody else's build of the same recipe came first; the two are equal.
        if not all((done / name).exists() for name in PROGRAMS):
            raise
    shutil.rmtree(work)
    return done


def manifest(folders: Iterable[tuple[str, Path]]) -> dict[str, object]:
    """What k8s_extcap.payload reads: each binary with size and digest, and where it came from."""
    versions = {"tcpdump": sources.TCPDUMP.version + patch.SUFFIX, "nsx": "1"}
    binaries = [
        {
            "name": name,
            "arch": arch,
            "file": f"{name}-{arch}",
            "version": versions[name],
            "size": (folder / name).stat().st_size,
            "sha256": sources.digest(folder / name),
            "licence": LICENCES[name],
        }
        for arch, folder in folders
        for name in PROGRAMS
    ]
    made_of = {source.name: source._asdict() for source in (sources.TCPDUMP, sources.LIBPCAP)}
    return {"recipe": recipe_key(), "zig": zig.VERSION, "sources": made_of, "binaries": binaries}


def install(arches: Sequence[str]) -> Path:
    """Put the binaries of `arches`, built if need be, and their manifest into the package; the manifest's path."""
    folders = [(arch, built(arch)) for arch in arches]
    into = package_bin()
    into.mkdir(exist_ok=True)
    text = json.dumps(manifest(folders), indent=2) + "\n"
    file = into / "manifest.json"
    for arch, folder in folders:
        for name in PROGRAMS:
            place = into / f"{name}-{arch}"
            if place.exists() and sources.digest(place) == sources.digest(folder / name):
                continue
            fresh = place.with_name(place.name + ".new")
            shutil.copy2(folder / name, fresh)
            fresh.replace(place)
    for name in ("LICENSE", "NOTICE"):
        if (HERE.parent / name).exists():
            shutil.copy2(HERE.parent / name, into / name)
    if not file.exists() or file.read_text() != text:
        fresh = file.with_name("manifest.json.new")
        fresh.write_text(text)
        fresh.replace(file)
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m payload.build", description=__doc__)
    names = [row.arch for row in TARGETS]
    parser.add_argument("--arch", choices=[*names, "all"], default="all", help="all: " + ", ".join(SHIPPED))
    chosen = parser.parse_args(arguments)
    # One processor asked for joins those that are there already, so that nobody's binaries vanish from the manifest.
    arches = SHIPPED if chosen.arch == "all" else _with_present(chosen.arch)
    try:
        file = install(arches)
    except (BuildError, zig.CompilerMissingError, sources.SourceMissingError, patch.SourceDiffersError) as error:
        print(f"payload: {error}", file=sys.stderr)
        return 1
    for entry in json.loads(file.read_text())["binaries"]:
        print(f"{entry['file']:16} {entry['version']:24} {entry['size']:>8} {entry['sha256']}")
    return 0


def _with_present(arch: str) -> list[str]:
    root = cache_root() / "payload" / recipe_key()
    return [row.arch for row in TARGETS if row.arch == arch or (root / row.arch / PROGRAMS[-1]).exists()]


if __name__ == "__main__":
    sys.exit(main())
