"""Putting the launcher where Wireshark finds it, and taking it away."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import k8s_extcap
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.setup import launcher, places
from k8s_extcap.setup.plan import Folder, Operation, Remove, Write

PATIENCE = 20.0  # seconds for the launcher's first answer, with nothing compiled and a cold disk
PRIVATE = 0o700  # of a personal launcher: a recorded proxy address may hold a password
_MARK = b"k8s_extcap"  # what every launcher of ours names


@dataclass(frozen=True, slots=True)
class Answer:
    """What a launcher said when it was run as Wireshark runs it. `problem` is empty where it is as it should be."""

    path: Path
    version: str
    interfaces: tuple[str, ...]
    problem: str


def entry() -> Path:
    return Path(k8s_extcap.__file__).resolve().parent / "__main__.py"


def plan(folders: tuple[Path, ...], environment: Mapping[str, str], *, python: str = "") -> tuple[Operation, ...]:
    """The operations that install into these folders, with the environment recorded that reaches the cluster.

    ConfigError where a file of that name is there that is none of ours.
    """
    recorded = recorded_in(folders, environment)
    if recorded.get("KUBECONFIG"):  # relative to where one stands; Wireshark stands elsewhere
        parts = recorded["KUBECONFIG"].split(os.pathsep)
        recorded["KUBECONFIG"] = os.pathsep.join(str(Path(part).absolute()) for part in parts if part)
    mode = PRIVATE if _private(folders, environment) else 0o755
    text = launcher.render(python or sys.executable, str(entry()), recorded).encode("utf-8", "surrogateescape")
    operations: list[Operation] = []
    for folder in folders:
        target = folder / places.LAUNCHER
        if target.exists() and not is_ours(target):
            raise ConfigError(f"{target} is there already and is none of ours. Move it away, then install again.")
        operations += [Folder(folder), Write(target, text, mode)]
    return tuple(operations)


def recorded_in(folders: tuple[Path, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """What of the environment a launcher in these folders records. One that others may read gets no password."""
    recorded = launcher.recorded(dict(environment))
    if _private(folders, environment):
        return recorded
    return {name: value for name, value in recorded.items() if not ("proxy" in name.lower() and "@" in value)}


def _private(folders: tuple[Path, ...], environment: Mapping[str, str]) -> bool:
    return set(folders) <= set(places.personal(environment))


def removal(folders: tuple[Path, ...]) -> tuple[Operation, ...]:
    """The operations that take our launchers out of these folders; other people's files stay."""
    targets = [folder / places.LAUNCHER for folder in folders]
    return tuple(Remove(target) for target in targets if (target.exists() or target.is_symlink()) and is_ours(target))


def is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_bytes()[:65536]
    except FileNotFoundError:
        return path.is_symlink()  # into a checkout that is gone
    except OSError:
        return False


def compiled() -> bool:
    """Byte-compiles the package: the hot lane's 20 modules are read once for each interface. False where that is not
    allowed, which costs time and nothing else.
    """
    return bool(compileall.compile_dir(entry().parent, quiet=2, workers=1))


def verify(path: Path) -> Answer:
    """Runs the launcher as a desktop's Wireshark would: with nothing but a home and a display in its environment."""
    environment = {name: os.environ[name] for name in ("HOME", "K8S_EXTCAP_HOME") if name in os.environ}
    environment["DISPLAY"] = ":0"
    try:
        done = subprocess.run(
            [path, "--extcap-interfaces", "--extcap-version=4.0"],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
    except OSError as error:
        return Answer(path, "", (), f"It cannot be run: {error.strerror}.")
    except subprocess.TimeoutExpired:
        return Answer(path, "", (), f"It gave no answer within {PATIENCE:.0f} s.")
    lines = done.stdout.decode(errors="replace").split("\n")
    names = tuple(line[len("interface {value=") :].partition("}")[0] for line in lines if line.startswith("interface "))
    version = next(
        (line.partition("{version=")[2].partition("}")[0] for line in lines if line.startswith("extcap ")), ""
    )
    problem = ""
    if done.returncode or not names:
        said = done.stderr.decode(errors="replace").strip()[:200] or "nothing on standard error"
        problem = f"It ended with {done.returncode} and listed no interface ({said})."
    elif "k8s-broken" in names:
        problem = "Its Python or its package is gone: install again."
    return Answer(path, version, names, problem)
