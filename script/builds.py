"""The long builds of the real test bed, at low priority beside the fast suite.

Payload, chroots with other Wiresharks and Kubernetes are made one after the other, each by its own module, into
caches outside the checkout: from warm caches each takes seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from payload.build import PROGRAMS, cache_root, install, recipe_key
from payload.targets import SHIPPED
from testbed.cluster import state
from testbed.cluster.bed import default_bed
from testbed.cluster.up import why_not
from testbed.wireshark import room

# Below everything a person does on this machine, yet not starved as with 19.
NICENESS = 15
PAYLOAD = "payload"


class Build(NamedTuple):
    name: str
    command: tuple[str, ...]


class Built(NamedTuple):
    """How a build ended: `problem` is empty or a sentence that names the log."""

    name: str
    seconds: float
    problem: str


def wanted() -> list[Build]:
    """What this machine can build; nothing where it may not. The payload first: the fast suite waits for it."""
    builds = [Build(PAYLOAD, ("payload.build",))] if shutil.which("bison") and shutil.which("flex") else []
    if os.geteuid() == 0 and not room.missing():
        builds.append(Build("other Wiresharks", ("testbed.wireshark", "make")))
    if not os.environ.get("K8S_EXTCAP_TEST_KUBECONFIG") and not why_not():
        builds.append(Build("Kubernetes", ("testbed.cluster", "up")))
    return builds


def payload_at_hand() -> None:
    """Puts the binaries that were built once, if they were, into a fresh checkout. Builds none."""
    kept = cache_root() / "payload" / recipe_key()
    if all((kept / arch / name).exists() for arch in SHIPPED for name in PROGRAMS):
        install(SHIPPED)


@contextmanager
def cluster_as_before() -> Iterator[None]:
    """Ends the real cluster after the block unless it ran before it: nobody asked for one that stays."""
    before = state.read(default_bed())
    try:
        yield
    finally:
        if not before and not why_not():
            command = [sys.executable, "-m", "testbed.cluster", "down"]
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


class Builders:
    """Runs builds in a thread, one after the other; `finish` waits and says what for, `cancel` ends them."""

    def __init__(self, builds: list[Build], logs: Path) -> None:
        self.builds = builds
        self.logs = logs
        self.results: list[Built] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.current = builds[0].name if builds else ""
        self.cancelled = False
        self.thread = threading.Thread(target=self.run, name="builds", daemon=True)
        self.thread.start()

    def run(self) -> None:
        for build in self.builds:
            if not self.cancelled:
                self.current = build.name
                self.results.append(self.make(build))
        self.current = ""

    def make(self, build: Build) -> Built:
        started = time.monotonic()
        log = self.logs / (build.name.replace(" ", "-") + ".log")
        with log.open("wb") as output:
            # A session of its own, so that cancelling reaches the compilers as well.
            command = ["nice", "-n", str(NICENESS), sys.executable, "-m", *build.command]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
            code = self.process.wait()
        problem = f"exit code {code}; {last_words(log)} (log: {log})" if code else ""
        return Built(build.name, time.monotonic() - started, problem)

    def wait_for(self, name: str) -> None:
        """Until that one has ended, however; at once where it is not the one at work."""
        began = time.monotonic()
        while self.current == name and self.thread.is_alive():
            self.thread.join(0.1)
        if (waited := time.monotonic() - began) > 1:
            print(f"waited {waited:.0f} s for the build of the {name}", flush=True)

    def finish(self) -> list[Built]:
        """Waits for all of them, a sign of life each minute, and returns how each ended."""
        while self.thread.is_alive():
            self.thread.join(timeout=60)
            if self.current:
                print(f"still building {self.current} (log: {self.logs}) …", flush=True)
        return self.results

    def cancel(self) -> None:
        self.cancelled = True
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, 15)
        self.thread.join(timeout=30)


def last_words(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
