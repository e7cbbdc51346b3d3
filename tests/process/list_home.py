"""One user's home and kubeconfig, and the program as the launcher runs it there."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[2] / "k8s_extcap/__main__.py"
OURS = (sys.executable, "-I", "-S", "-E", "-X", "utf8", str(SCRIPT))

WINDOW = ("wireshark", "-c", '"$@"; exit $?', "x")  # a shell by that name, which is what a process is known by


@dataclass
class Home:
    folder: Path
    config: dict[str, Any]  # the kubeconfig; `save` writes it
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, kubeconfig: Path, namespace: str = "shop") -> Home:
        """The context `demo` is current, in this namespace."""
        home = cls(folder, json.loads(kubeconfig.read_text()))
        context = next(c for c in home.config["contexts"] if c["name"] == "demo")
        context["context"]["namespace"] = namespace
        home.save()
        return home

    @property
    def kubeconfig(self) -> Path:
        return self.folder / ".kube/config"

    def save(self, **changes: object) -> None:
        self.config.update(changes)
        self.kubeconfig.parent.mkdir(exist_ok=True)
        self.kubeconfig.write_text(json.dumps(self.config))

    def plugin(self, script: str, mode: str = "IfAvailable") -> Path:
        """Gives every user a credential plugin with this shell text; `$TOKEN` is the first user's token in it."""
        program = self.folder / "plugin"
        token = next(u["user"]["token"] for u in self.config["users"] if u["name"] == self.config["current-context"])
        program.write_text(f"#!/bin/sh\nTOKEN='{token}'\n{script}\n")
        program.chmod(0o755)
        spec = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": mode,
        }
        users = [{"name": user["name"], "user": {"exec": spec}} for user in self.config["users"]]
        self.save(users=users)
        return program

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
        return {**kept, "HOME": str(self.folder), "K8S_EXTCAP_HOME": str(self.folder / "ours"), **self.variables}

    def call(self, *words: str, timeout: float = 60, by: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Nobody's session: no terminal. The output is read to its end, as Wireshark does."""
        return subprocess.run(
            [*by, *OURS, *words],
            executable="/bin/sh" if by else None,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def list(self) -> list[str]:
        """The interfaces of one list call, of a program that is called wireshark."""
        done = self.call("--extcap-interfaces", "--extcap-version=4.0", by=WINDOW)
        assert (done.returncode, done.stderr) == (0, "")
        return re.findall(r"^interface \{value=([^}]*)\}", done.stdout, re.MULTILINE)

    def display(self, interface: str) -> str:
        rows = self.call("--extcap-interfaces").stdout.splitlines()
        row = next(line for line in rows if f"{{value={interface}}}" in line)
        return row.partition("{display=")[2].removesuffix("}")

    def refresh(self) -> int:
        """One refresh in the foreground; its peak of memory in KiB."""
        process = subprocess.Popen([*OURS, "--refresh"], env=self.env, stdin=subprocess.DEVNULL, start_new_session=True)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert isinstance(used, resource.struct_rusage)
        return used.ru_maxrss

    @property
    def catalog(self) -> Path:
        return self.folder / "ours/cache/catalog/default"

    @property
    def status(self) -> dict[str, Any]:
        """What doctor reads."""
        found: dict[str, Any] = json.loads((self.catalog / "status").read_text())
        return found

    @property
    def cluster(self) -> dict[str, Any]:
        status = self.status
        found: dict[str, Any] = status["clusters"][status["current"]]
        return found

    def due(self) -> int:
        return int((self.catalog / "list").read_text().split("\t")[1])

    def make_due(self) -> None:
        """As if all waiting were over: 30 seconds, and the back-off."""
        self.rewrite_due(1)
        if (self.catalog / "status").exists():
            status = self.status
            for cluster in status["clusters"].values():
                cluster["due"] = 1
            (self.catalog / "status").write_text(json.dumps(status))
        (self.catalog / "started").unlink(missing_ok=True)

    def rewrite_due(self, when: int) -> None:
        fields = (self.catalog / "list").read_text().split("\t")
        fields[1] = str(when)
        (self.catalog / "list").write_text("\t".join(fields))


def eventually(condition: Callable[[], bool], seconds: float = 40) -> bool:
    """Whether it comes true; a refresher works in the background."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (OSError, ValueError, KeyError):
            pass  # its file is not there yet
        time.sleep(0.05)
    return False
