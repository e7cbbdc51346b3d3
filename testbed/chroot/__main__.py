"""`python -m testbed.chroot SUITE [--user|--no-rights] -- COMMAND…`: one command on a fresh machine.

The command runs in a clean clone of this checkout, in a minimal system where nothing but git and sudo was added,
and everything it did is gone afterwards. Network and its variables (proxy, index, certificates) are this machine's.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from testbed.chroot import base
from testbed.chroot.inside import Order

ROOT = Path(__file__).resolve().parent.parent.parent
NETWORK = re.compile(
    r"((https?|ftp|all|no)_proxy|PIP_\w+|UV_\w+|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|GO(PROXY|FLAGS|NOSUMDB|SUMDB)"
    r"|TERM|CI)",
    re.IGNORECASE,
)
# Authorities that this machine trusts beyond the distribution's: picked up when ca-certificates is installed.
LOCAL_AUTHORITIES = Path("/usr/local/share/ca-certificates")


def handed_over() -> tuple[dict[str, str], list[str]]:
    """The variables of the network, and the certificate files that they name or this machine has added."""
    variables = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    named = [value for value in variables.values() if value.startswith("/") and Path(value).is_file()]
    return variables, sorted({*named, *map(str, LOCAL_AUTHORITIES.glob("*.crt"))})


def sweep(runs: Path) -> None:
    """Removes what killed runs left: a folder whose lock nobody holds. (Their mounts went with their namespace.)"""
    for lock in runs.glob("*.lock"):
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def run(suite: base.Suite, asked: argparse.Namespace) -> int:
    """Runs the command and returns its exit code; removes everything it wrote."""
    system = base.make(suite)
    runs = base.folder() / "runs"
    runs.mkdir(exist_ok=True)
    sweep(runs)
    here = Path(tempfile.mkdtemp(prefix=f"{suite.name}-", dir=runs))
    variables, files = handed_over()
    # Folders with wheels that pip is told about are seen at the same place.
    wheels = [(word, word) for word in variables.get("PIP_FIND_LINKS", "").split() if Path(word).is_dir()]
    order = Order(
        base=str(system),
        run=str(here),
        checkout=str(ROOT),
        user=base.USER if asked.user or asked.no_rights else "root",
        rights=asked.user,
        environment=variables | dict(word.split("=", 1) for word in asked.env),
        binds=[(source, seen) for source, _, seen in (word.partition(":") for word in asked.bind)] + wheels,
        files=files,
        command=asked.command,
    )
    # Killed together: this process, then the namespaces' first, then all in them.
    words = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private"]
    words += ["--pid", "--fork", "--kill-child", "--"]
    words += [sys.executable, "-m", "testbed.chroot.inside", json.dumps(order._asdict())]
    lock = here.with_name(here.name + ".lock")
    with base.alone(lock):
        try:
            started = time.monotonic()
            code = subprocess.run(words, cwd=ROOT, check=False).returncode
            print(f"{suite.name}: exit code {code} after {time.monotonic() - started:.1f} s", file=sys.stderr)
            return code
        finally:
            shutil.rmtree(here)
            lock.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.chroot", description="A command on a fresh machine.")
    parser.add_argument("suite", choices=base.SUITES)
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", action="store_true", help="an ordinary user with sudo; default: root")
    who.add_argument("--no-rights", action="store_true", help="an ordinary user without sudo")
    parser.add_argument("--bind", action="append", default=[], metavar="SOURCE:TARGET", help="a folder of this machine")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="one more variable")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    if reason := base.why_not():
        print(f"No chroot here: {reason}.", file=sys.stderr)
        return 2
    return run(base.SUITES[asked.suite], asked)


if __name__ == "__main__":
    sys.exit(main())
