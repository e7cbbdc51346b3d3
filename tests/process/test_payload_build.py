"""The build: from cache in no time, the same bytes from any folder; no wheel without it."""

import json
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from k8s_extcap.payload import Binary, arch_of_elf, find
from payload import sources, zig
from payload.build import PROGRAMS, built, cache_root, install, package_bin
from payload.compile import compile_into
from payload.targets import SHIPPED, target

pytestmark = pytest.mark.usefixtures("payload")

ROOT = Path(__file__).parents[2]
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@pytest.mark.slow
@pytest.mark.timeout(900)  # a cold compiler on a machine that does other things, too
def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    """With the compiler's cache of its own, so that nothing of the first build is in the second."""
    cache = tmp_path / "cache"
    for part in ("zig", "payload"):
        (cache / part).mkdir(parents=True)
    zig.compiler(cache_root())
    if (cache_root() / "zig" / zig.VERSION).exists():
        (cache / "zig" / zig.VERSION).symlink_to(cache_root() / "zig" / zig.VERSION)
    (cache / "payload" / "sources").symlink_to(cache_root() / "payload" / "sources")
    work = tmp_path / "another-folder-with-another-length"
    work.mkdir()
    compile_into(work, target(ARCH), cache)
    known = built(ARCH)
    for name in PROGRAMS:
        assert sources.digest(work / "out" / name) == sources.digest(known / name)


@pytest.mark.parametrize("arch", SHIPPED)
def test_what_is_built_is_static_and_for_its_processor(arch: str) -> None:
    for name in PROGRAMS:
        content = (built(arch) / name).read_bytes()
        assert arch_of_elf(content) == arch
        # PT_INTERP's text: a static program names no dynamic loader
        assert b"/ld-musl" not in content
        assert b"/ld-linux" not in content


@pytest.mark.parametrize("arch", SHIPPED)
def test_the_package_gives_what_was_built(arch: str) -> None:
    install(SHIPPED)
    for name in PROGRAMS:
        found = find(name, arch)
        assert isinstance(found, Binary)
        assert found.content == (built(arch) / name).read_bytes()
        assert found.sha256 == sources.digest(built(arch) / name)


@pytest.mark.parametrize("arch", SHIPPED)
def test_each_runs_on_its_processor(arch: str) -> None:
    emulator = [] if arch == ARCH else [shutil.which(f"qemu-{target(arch).qemu}-static") or ""]
    if emulator == [""]:
        pytest.skip(f"no qemu-{target(arch).qemu}-static (package qemu-user-static) to run {arch} programs")
    program = str(built(arch) / "tcpdump")
    said = subprocess.run([*emulator, program, "--version"], capture_output=True, text=True, check=True).stdout
    assert "+k8s-extcap." in said
    code = subprocess.run([*emulator, program, "-d", "tcp port 80"], capture_output=True, text=True, check=True)
    assert code.stdout.startswith("(000) ldh")


def tree(folder: Path) -> Path:
    """A checkout with what a wheel is made of."""
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE", "NOTICE", ".gitignore"):
        shutil.copy2(ROOT / name, folder / name)
    (folder / "README.md").write_text("k8s-extcap\n")
    shutil.copytree(ROOT / "k8s_extcap", folder / "k8s_extcap", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def wheel(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    pytest.importorskip("hatchling", reason="hatchling (dependency group build) is not installed here")
    install(SHIPPED)
    return tree(tmp_path)


def test_a_wheel_has_binaries_manifest_and_licences(checkout: Path) -> None:
    done = wheel(checkout)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next((checkout / "dist").glob("*.whl"))) as archive:
        inside = "k8s_extcap/payload/bin/"
        listed = {name.removeprefix(inside) for name in archive.namelist() if name.startswith(inside)}
        manifest = json.loads(archive.read(inside + "manifest.json"))
        notice = archive.read(inside + "NOTICE").decode()
        binaries = {entry["file"] for entry in manifest["binaries"]}
        assert listed == binaries | {"manifest.json", "LICENSE", "NOTICE"}
        assert {"tcpdump-amd64", "tcpdump-arm64", "nsx-amd64", "nsx-arm64"} <= binaries
        for entry in manifest["binaries"]:
            assert len(archive.read(inside + entry["file"])) == entry["size"]
    for source in (sources.TCPDUMP, sources.LIBPCAP):
        assert f"{source.name} {source.version}" in notice


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "has no usable manifest.json"),
        (lambda place: (place / "nsx-arm64").unlink(), "nsx-arm64 is not the file that manifest.json names"),
        (lambda place: (place / "tcpdump-amd64").write_bytes(b"\x7fELF"), "is not the file that manifest.json names"),
        (lambda place: (place / "NOTICE").unlink(), "lacks NOTICE"),
        (lambda place: (place / "manifest.json").write_text('{"binaries": []}'), "The payload lacks nsx-amd64"),
    ],
)
def test_no_wheel_without_its_whole_payload(checkout: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(checkout / package_bin().relative_to(ROOT))
    done = wheel(checkout)
    assert done.returncode != 0
    assert said in done.stderr
    assert "python -m payload.build" in done.stderr
    assert not list(checkout.glob("dist/*.whl"))
