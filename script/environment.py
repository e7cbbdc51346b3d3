"""Makes the private environment of a purpose and prints its Python: `python3 -I script/environment.py PURPOSE...`.

Runs under the system's bare Python 3.11 or newer: standard library only. The environment's folder is named after
the Python and the packages asked for, so a change in pyproject.toml makes a new one and an old checkout keeps its
own. A folder counts only once its mark is there, which is written last: a killed run is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
MARK = "complete"

# The demo and the tests share one environment, so that whoever ran the one has the other at once.
GROUPS = ("test", "lint")

ADVICE = """
pip could not install the Python packages (its own words are above). Behind a proxy set https_proxy; for another
package index PIP_INDEX_URL; for an own certificate authority PIP_CERT=FILE. Then run the same command again;
what was downloaded is kept."""


def requirements(project: dict[str, Any], purposes: list[str]) -> list[str]:
    """What pip is asked for: the program's own dependencies and, for any purpose but `run`, those of the groups."""
    wanted = set(project["project"]["dependencies"])
    for group in GROUPS if set(purposes) - {"run"} else ():
        wanted.update(project["dependency-groups"][group])
    return sorted(wanted)


def home() -> Path:
    """The folder of all environments, by the XDG rules (a relative XDG_CACHE_HOME is to be ignored)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "k8s-extcap" / "venv"


def key(wanted: list[str]) -> str:
    """Names an environment: Python's version for people, a digest for the rest."""
    identity = "\n".join([sys.version, sys.base_prefix, *wanted])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return f"py{sys.version_info.major}.{sys.version_info.minor}-{digest}"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One maker at a time; the kernel lets go of the lock when its holder dies."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_environment() -> dict[str, str]:
    """The caller's variables; a CA file that other programs were told about holds for pip as well."""
    known = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    authority = os.environ.get("SSL_CERT_FILE")
    extra = {"PIP_CERT": authority} if authority and not any(map(os.environ.get, known)) else {}
    return {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **extra}


def make(folder: Path, wanted: list[str]) -> int:
    """Creates the environment from wheels only, so that no compiler is needed and no package's code runs now."""
    shutil.rmtree(folder, ignore_errors=True)
    print("Making a Python environment (once): " + str(folder), file=sys.stderr)
    venv.create(folder, with_pip=True, symlinks=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *wanted]
    done = subprocess.run(command, env=pip_environment(), stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode == 0:
        (folder / MARK).write_text("\n".join(wanted) + "\n", encoding="utf-8")
    return done.returncode


def point_at(folder: Path) -> None:
    """`current` names the environment used last: that is where the checkout's `extcap/k8s-extcap` finds its Python."""
    current = folder.parent / "current"
    if not current.is_symlink() or current.readlink() != Path(folder.name):
        fresh = folder.parent / f"current.{os.getpid()}"
        fresh.symlink_to(folder.name)
        fresh.replace(current)


def main(purposes: list[str]) -> int:
    wanted = requirements(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")), purposes)
    folder = home() / key(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not (folder / MARK).exists():
        with alone(folder):
            if not (folder / MARK).exists() and make(folder, wanted) != 0:
                print(ADVICE, file=sys.stderr)
                return 1
    point_at(folder)
    print(folder / "bin" / "python")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
