"""`DemoCluster`: the demo cluster as a child process of a test or a script."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from testbed.demo.faults import Fault, to_json
from testbed.demo.modes import Mode

_SOURCE = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 15


class DemoCluster(NamedTuple):
    """A running demo cluster. Contexts of its kubeconfig: `demo` (everything), `demo-dev` (namespace `dev` only),
    `demo-nolist` (exec without list, in `shop`), `demo-nocreate`, `demo-viewer`, `demo-expired`.
    """

    process: subprocess.Popen[str]
    kubeconfig: Path
    url: str
    mode: Mode
    node_pid: int
    admin_token: str

    @classmethod
    @contextmanager
    def start(
        cls,
        *,
        mode: Mode | None = None,
        faults: Sequence[Fault] = (),
        scale: str = "",
        tools: Sequence[str] = (),
        tcpdump: str = "",
        prefix: Sequence[str] = (),
        python: str = sys.executable,
    ) -> Iterator[Self]:
        """Run until the block ends. `prefix` goes before the command line, as `setpriv --reuid 1000 …`."""
        argv = [*prefix, python, "-m", "testbed.demo", "--json"]
        argv += ["--mode", mode] if mode else []
        argv += ["--scale", scale] if scale else []
        argv += ["--tcpdump", tcpdump] if tcpdump else []
        for tool in tools:
            argv += ["--tool", tool]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_SOURCE)
        try:
            cluster = cls._ready(process)
            for fault in faults:
                cluster.add_fault(fault)
            yield cluster
        finally:
            _stop(process)

    @classmethod
    def _ready(cls, process: subprocess.Popen[str]) -> Self:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The demo cluster did not start (exit code {process.wait()}); its stderr says why.")
        facts = json.loads(line)
        return cls(
            process,
            Path(facts["kubeconfig"]),
            facts["url"],
            Mode(facts["mode"]),
            facts["node_pid"],
            facts["admin_token"],
        )

    def token(self, context: str = "demo") -> str:
        """The bearer token of a context's user."""
        config = json.loads(self.kubeconfig.read_text(encoding="utf-8"))
        return next(str(user["user"]["token"]) for user in config["users"] if user["name"] == context)

    def add_fault(self, fault: Fault) -> int:
        """Put a fault in force; gives its number."""
        return int(self._control("POST", "faults", to_json(fault))["id"])

    def fault_hits(self) -> dict[int, int]:
        """How many requests each fault has met."""
        return {int(number): int(hits) for number, hits in self._control("GET", "faults").items()}

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def forget(self) -> None:
        """Compaction: older resource versions and continue tokens answer 410 from now on."""
        self._control("POST", "forget", {})

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[int]:
        """A fault for the time of a block."""
        number = self.add_fault(fault)
        try:
            yield number
        finally:
            self._control("DELETE", f"faults?id={number}")

    def _control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        context = ssl.create_default_context(cadata=self.authority())
        request = urllib.request.Request(  # noqa: S310  our own https address
            f"{self.url}/_demo/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=10) as answer:
            decoded: dict[str, Any] = json.loads(answer.read())
            return decoded

    def authority(self) -> str:
        """The certificate authority as PEM."""
        config = json.loads(self.kubeconfig.read_text(encoding="utf-8"))
        return base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
