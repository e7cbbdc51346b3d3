"""`python -m payload.build [--arch amd64|arm64|...|all]`: build what is uploaded, once per recipe and processor."""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from payload import patch, sources, zig
from payload.compile import BuildError, compile_into
from payload.targets import SHIPPED, TARGETS, target

HERE = Path(__file__).parent
PROGRAMS = ("tcpdump", "nsx")
LICENCES = {"tcpdump": "BSD-3-Clause AND MIT", "nsx": "Apache-2.0 AND MIT"}

# Everything that shapes a binary.
RECIPE = ("block_loop.h", "compile.py", "nsx.c", "patch.py", "sources.py", "targets.py", "zig.py")


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
    try:
        listed = json.loads((package_bin() / "manifest.json").read_text())["binaries"]
    except (OSError, ValueError, KeyError):
        listed = []
    present = {entry["arch"] for entry in listed}
    return [row.arch for row in TARGETS if row.arch == arch or row.arch in present]


if __name__ == "__main__":
    sys.exit(main())
