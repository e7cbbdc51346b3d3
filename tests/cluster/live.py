"""The product at a real tshark on a real cluster."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from k8s_extcap.setup import launcher
from testbed.wireshark.tshark import Tshark

ENTRY = Path(__file__).parents[2] / "k8s_extcap/__main__.py"


@dataclass(frozen=True)
class Product:
    """Our extcap installed for this tshark, with a kubeconfig."""

    tshark: Tshark
    env: dict[str, str]

    def run(self, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return self.tshark.run(*args, timeout=timeout, env=self.env)

    def start(self, *args: str) -> subprocess.Popen[str]:
        return self.tshark.start(*args, env=self.env)


def install(tshark: Tshark, kubeconfig: Path) -> Product:
    desk = tshark.desk
    desk.install(launcher.render(str(desk.python), str(desk.checkout / "k8s_extcap/__main__.py"), {}))
    return Product(tshark, {"KUBECONFIG": str(desk.copy(kubeconfig, ".kube/config"))})
