"""The program under test at somebody's desk: from this checkout, by its own installer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from testbed.wireshark.desk import Desk
from testbed.wireshark.tshark import Tshark


def command(desk: Desk, *args: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`k8s-extcap ARGS`, as the person at that desk would run it."""
    program = desk.checkout / "k8s_extcap/__main__.py"
    return Tshark(desk).other(str(desk.python), str(program), *args, timeout=timeout)


def install(desk: Desk, kubeconfig: Path, *, context: str = "", namespace: str = "") -> None:
    """`k8s-extcap install`, for somebody whose ~/.kube/config this is, with that current context and namespace."""
    point(desk, kubeconfig, context=context, namespace=namespace)
    done = command(desk, "install")
    if done.returncode:
        raise RuntimeError(f"k8s-extcap install ended with status {done.returncode}: {done.stdout}{done.stderr}")


def point(desk: Desk, kubeconfig: Path, *, context: str = "", namespace: str = "") -> None:
    """As `kubectl config use-context` and `set-context --current --namespace` do."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["current-context"] = context or config["current-context"]
    for each in config["contexts"]:
        if each["name"] == config["current-context"] and namespace:
            each["context"]["namespace"] = namespace
    desk.write(".kube/config", yaml.safe_dump(config))


def capturing(desk: Desk) -> dict[int, str]:
    """Our own processes at that desk that belong to a capture."""
    return {number: line for number, line in desk.processes().items() if "__main__.py --capture" in line}
