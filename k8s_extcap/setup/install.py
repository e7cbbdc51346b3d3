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
from k8s_extcap.model.ids import BROWSE
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
    """Runs the launcher as a desktop's Wireshark would: with nothing but a home and a display in its environment.

    It is asked for its version and a dialog, not for a list: that may read the cluster, and so ask for a login.
    """
    told = _ask(path, "--version")
    if isinstance(told, str):
        return Answer(path, "", told)
    words = told.stdout.decode(errors="replace").split()
    if told.returncode or len(words) < 2:
        said = " ".join(told.stderr.decode(errors="replace").split())[:200]
        return Answer(path, "", f"It ended with {told.returncode}: {said or 'nothing on standard error'}")
    dialog = _ask(path, "--extcap-config", "--extcap-interface", BROWSE)
    problem = dialog if isinstance(dialog, str) else ""
    if not isinstance(dialog, str) and (dialog.returncode or not dialog.stdout.startswith(b"arg {")):
        problem = f"It has no options for {BROWSE}: {dialog.stderr.decode(errors='replace')[:200].strip()}"
    return Answer(path, words[-1], problem)


def _ask(path: Path, *argv: str) -> subprocess.CompletedProcess[bytes] | str:
    environment = {name: os.environ[name] for name in ("HOME", "K8S_EXTCAP_HOME") if name in os.environ}
    environment["DISPLAY"] = ":0"
    try:
        return subprocess.run(
            [path, *argv],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
    except OSError as error:
        return f"It cannot be run: {error.strerror}."
    except subprocess.TimeoutExpired:
        return f"It gave no answer within {PATIENCE:.0f} s."
