"""One capture on a berth, through a gate, as Wireshark would run it: a FIFO, a reader of it, and silence on stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import group
from testbed.cluster.bed import API_PORT
from testbed.matrix import deeds
from testbed.matrix.berth import HELPER, Berth, Ground, environment
from testbed.matrix.deeds import Deed, Position
from testbed.matrix.gate import Call, Gate, Hold
from testbed.matrix.remains import Search

FLOWS = 400  # bytes: section and interface description are shorter, two packets are longer
START = 90.0  # seconds until a position is reached, with a dozen captures starting on two cores
_deeds: dict[str, tuple[Deed, ...]] = {}


class Scene:
    """`began` is when the blow fell. `reconnect` in seconds, 0: a stream that is cut ends the capture."""

    def __init__(self, berth: Berth, method: str, *, reconnect: int = 0, tree: Path | None = None) -> None:
        self.berth, self.method, self.reconnect = berth, method, reconnect
        self.ground: Ground = berth.ground
        self.tree = tree or self.ground.tree(method)
        self.home = berth.folder / f"home-{time.monotonic_ns()}"
        self.home.mkdir(mode=0o700)
        self.fifo, self.file, self.said = self.home / "fifo", self.home / "capture.pcapng", self.home / "stderr"
        bed = self.ground.bed
        self.gate = Gate(bed.node(1).address, API_PORT, bed.pki)
        self.pod = berth.pod
        self.process: subprocess.Popen[bytes] | None = None
        self.reader: subprocess.Popen[bytes] | None = None
        self.held: Hold | None = None

    def __enter__(self) -> Self:
        self.gate.__enter__()
        self.env = environment(self.home, self.berth.kubeconfig(self.gate.port))
        self.search = Search(self.berth, self.home, (self.fifo, self.file, self.said))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in (self.process, self.reader):
            if process is None:
                continue
            group.kill(process)
        for pid in self.search.here():  # a reaper that is still at work, where the cell failed
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.gate.__exit__(kind, error, at)

    def options(self, timeout: int = 10) -> list[str]:
        space = self.berth.namespace
        image = self.ground.cluster.image(HELPER)
        words = ["--method", self.method, "--helper-image", image, "--helper-namespace", space]
        return [*words, "--reconnect", str(self.reconnect), "--timeout", str(timeout), "--log-level", "info"]

    def deeds(self) -> tuple[Deed, ...]:
        """From the plan of this method, asked for once: the berth's names are then put in place of the first one's."""
        if self.method not in _deeds:
            target = f"{self.berth.namespace}/{self.pod.name}"
            argv = [sys.executable, "-m", "k8s_extcap", "capture", target, *self.options(60)]
            found = deeds.ask(argv, self.tree, self.env)
            space = self.berth.namespace.replace("-", "\\-")
            anywhere = [(d.title, d.call.verb, d.call.target.replace(space, "[^/]+")) for d in found]
            _deeds[self.method] = tuple(Deed(title, Call(verb, path)) for title, verb, path in anywhere)
        return _deeds[self.method]

    def start(self, position: Position, *, timeout: int = 10) -> None:
        """The capture begins, and will be held at `position`."""
        if position.deed and position.moment:
            self.held = self.gate.hold(position.deed.call, position.moment)
        os.mkfifo(self.fifo, 0o600)
        interface = f"k8s-pod-{self.berth.namespace}.{self.pod.name}"
        words = ["--capture", "--extcap-interface", interface, "--fifo", str(self.fifo), *self.options(timeout)]
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                ["nice", "-n", "5", sys.executable, "-m", "k8s_extcap", *words],
                cwd=self.tree,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        with self.file.open("wb") as out:
            self.reader = subprocess.Popen(["cat", self.fifo], stdout=out, start_new_session=True)

    def reach(self, within: float = START) -> None:
        """Until the position is reached. TimeoutError with the capture's words where it never is."""
        held = self.held
        wait_for(
            lambda: held.reached.is_set() if held else self.size() > FLOWS,
            within,
            lambda: self.ended and f"it ended before its position: {self.words() or 'without a word'}",
        )

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if not self.ended and self.process:
            (os.killpg if group else os.kill)(self.process.pid, number)

    def words(self) -> str:
        return self.said.read_text(errors="replace").strip() if self.said.exists() else ""

    def log(self) -> str:
        """The last lines of its log, for whoever looks at a failed cell."""
        file = self.home / "own/state/log/k8s-extcap.log"
        return " | ".join(file.read_text(errors="replace").splitlines()[-3:])[-300:] if file.exists() else ""


def wait_for(done: Callable[[], bool], within: float, hopeless: Callable[[], object] = lambda: False) -> None:
    over = time.monotonic() + within
    while not done():
        if why := hopeless():
            raise TimeoutError(str(why))
        if time.monotonic() > over:
            raise TimeoutError(f"not reached within {within:.0f} s")
        time.sleep(0.02)
