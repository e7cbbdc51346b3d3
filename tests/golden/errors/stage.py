"""Where failures are provoked: the real tshark with the launcher installed, or the capture lane alone on a FIFO."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from k8s_extcap.setup import launcher
from testbed import group
from testbed.wait import until
from testbed.wireshark.tshark import Tshark, end
from tests.golden.errors.golden import Shown

ENTRY = Path(__file__).parents[3] / "k8s_extcap/__main__.py"
LOG = ".local/state/k8s-extcap/log/k8s-extcap.log"

# What tshark itself says on stderr.
_HOST = re.compile(
    r"(Capturing on '.*'| ?\*\* \(tshark:\d+\) .*|\d+ packets? captured|Running as user .*|File: .*"
    r"|\d+ packets? dropped from .*)?"
)
_EXTCAP = re.compile(r"tshark: Error (?:by|from) extcap pipe: (.*)")
_RAISED = re.compile(r"^k8s_extcap\.model\.errors\.(\w+): ", re.MULTILINE)

# The launcher with options that a dialog would pass, and a note of how the capture lane ended.
_NOTED = """#!/bin/sh
case " $* " in *" --capture "*) ;; *) exec {real} "$@" ;; esac
trap : TERM INT
{real} "$@" {options}
code=$?
echo $code >>{ended}
exit $code
"""


def sentence_of(stderr: str) -> str:
    """Our text in tshark's stderr; nothing else may stand there but what tshark itself says."""
    ours = ""
    for line in stderr.split("\n"):
        if found := _EXTCAP.fullmatch(line):
            assert not ours, stderr
            ours = str(found.group(1))
        else:
            assert _HOST.fullmatch(line), f"unexpected on stderr: {line!a} in {stderr!a}"
    return ours


def class_of(log: str) -> str:
    """The class that was shown last, by its traceback in the log."""
    return str((_RAISED.findall(log) or [""])[-1])


@dataclass
class Stage:
    """tshark at a desk of its own. `config` writes the user's kubeconfig."""

    tshark: Tshark
    env: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.tshark.desk.home

    def config(self, text: str | Path) -> Path:
        return self.tshark.desk.write(".kube/config", text.read_text() if isinstance(text, Path) else text)

    def install(self, *options: str) -> None:
        desk = self.tshark.desk
        real = desk.write(
            "real", launcher.render(str(desk.python), str(desk.checkout / "k8s_extcap/__main__.py"), {}), 0o755
        )
        quoted = {"real": shlex.quote(str(real)), "ended": shlex.quote(str(self.home / "ended"))}
        desk.install(_NOTED.format(options=shlex.join(options), **quoted))

    def run(
        self, interface: str, *options: str, env: Mapping[str, str] | None = None, timeout: float = 60,
        words: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """A capture with `options` of ours, and `words` for tshark itself, until it ends by itself."""
        self.install(*options)
        return self.tshark.run("-i", interface, *words, timeout=timeout, env={**self.env, **(env or {})})

    def show(
        self, interface: str, *options: str, env: Mapping[str, str] | None = None, timeout: float = 60,
        words: tuple[str, ...] = (),
    ) -> Shown:  # fmt: skip
        """The error that this capture ends with."""
        done = self.run(interface, *options, env=env, timeout=timeout, words=words)
        return self.shown(done.stderr)

    def shown(self, stderr: str) -> Shown:
        ended = self.home / "ended"  # tshark goes as soon as the FIFO is closed, the lane a little later
        assert until(ended.exists, 10)
        return Shown(sentence_of(stderr), class_of(self.log()), int(ended.read_text().split()[-1]))

    def start(self, interface: str, *options: str) -> subprocess.Popen[str]:
        self.install(*options)
        return self.tshark.start("-l", "-i", interface, env=self.env)

    def finish(self, process: subprocess.Popen[str], timeout: float = 60) -> Shown:
        try:
            _, stderr = process.communicate(timeout=timeout)
        finally:
            end(process)
        return self.shown(stderr)

    def log(self) -> str:
        file = self.home / LOG
        return file.read_text() if file.exists() else ""


class Lane:
    """The capture lane as Wireshark starts it, on a FIFO whose reader is this test."""

    def __init__(self, home: Path, kubeconfig: Path | str) -> None:
        self.home = home
        self.kubeconfig = str(kubeconfig)
        self.received = b""
        self.opened = False

    def log(self) -> str:
        file = self.home / "state/log/k8s-extcap.log"
        return file.read_text() if file.exists() else ""

    def start(self, interface: str, *options: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        self.home.mkdir(mode=0o700, exist_ok=True)
        fifo = self.home / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        argv = [sys.executable, "-I", "-S", "-E", "-X", "utf8", str(ENTRY), "--capture"]
        process = subprocess.Popen(
            [*argv, "--extcap-interface", interface, "--fifo", str(fifo), *options],
            env={**os.environ, "K8S_EXTCAP_HOME": str(self.home), "KUBECONFIG": self.kubeconfig, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(fifo,), daemon=True)
        self._reader.start()
        return process

    def _read(self, fifo: Path) -> None:
        with fifo.open("rb", buffering=0) as stream:  # returns when the lane has opened its end
            self.opened = True
            while piece := stream.read(65536):
                self.received += piece

    def finish(self, process: subprocess.Popen[bytes], timeout: float = 60) -> tuple[int, bytes]:
        """(exit code, stderr). The FIFO was opened and closed, and stdout stayed empty."""
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            group.kill(process)
            process.communicate()
        self._reader.join(10)
        assert self.opened
        assert not self._reader.is_alive()
        assert out == b""
        return process.returncode, err

    def show(self, interface: str, *options: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Shown:
        code, err = self.finish(self.start(interface, *options, env=env), timeout)
        text = err.decode()
        assert text.endswith("\n")
        assert text.count("\n") == 1, ascii(text)
        return Shown(text[:-1], class_of(self.log()), code)

    def refresh(self) -> None:
        """The background refresher, waited for."""
        argv = [sys.executable, "-I", "-S", "-E", "-X", "utf8", str(ENTRY), "--refresh"]
        env = {**os.environ, "K8S_EXTCAP_HOME": str(self.home), "KUBECONFIG": self.kubeconfig}
        done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
        assert (done.stdout, done.stderr) == (b"", b"")
