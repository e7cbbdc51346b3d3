"""A Wireshark that knows our extcap and nothing of the user's: a temporary HOME, and tshark run in it."""

from __future__ import annotations

import grp
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from k8s_extcap.setup.launcher import render

ROOT = Path(__file__).resolve().parent.parent

# The personal extcap folder is the first one up to Wireshark 4.0 and the second one since 4.2; each ignores the other.
EXTCAP_FOLDERS = (".config/wireshark/extcap", ".local/lib/wireshark/extcap")

# What tshark says in any case, which would only worry a newcomer.
CHATTER = re.compile(
    r"Running as user|could be dangerous|^Capturing on|^ ?\*\* \(tshark:\d+\).*MESSAGE\]"
    r"|^\d+ packets? captured$|^(tshark:)?\s*$"
)

GRACE = 20  # seconds beyond the capture's own: finding the pod, connecting, reading out what is left

ROW = re.compile(r"\d+\. (?P<name>k8s-\S+) \((?P<display>.*)\)$")


class Row(NamedTuple):
    """One line of Wireshark's interface list."""

    name: str
    display: str


class Shown(NamedTuple):
    """A capture that was shown: how many packets, and what was said if something went wrong."""

    packets: int
    complaint: str


class Guest(NamedTuple):
    """The temporary HOME. Programs started with `environment` find nothing of the user's own."""

    home: Path
    launcher: Path
    environment: dict[str, str]

    def refresh(self, context: str) -> str:
        """Fills the list of pods now, so that the first look is complete. Returns what was said."""
        return self.run([str(self.launcher), "--refresh", context]).stderr.strip()

    def rows(self) -> list[Row]:
        """What `tshark -D` lists of ours, in its order."""
        matches = (ROW.match(line) for line in self.run(["tshark", "-D"]).stdout.splitlines())
        return [Row(match["name"], match["display"]) for match in matches if match]

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,  # a machine under load; the list itself waits about a second
            check=False,
        )

    def show(self, command: list[str], seconds: int) -> Shown:
        """Prints tshark's lines as they come. It ends itself; one that does not is ended, which is a complaint."""
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            )
            watchdog = threading.Timer(seconds + GRACE, process.terminate)
            watchdog.start()
            try:
                packets = print_lines(process)
            finally:  # also when the user interrupts: nothing captures on
                late = not watchdog.is_alive()
                watchdog.cancel()
                process.terminate()
                process.wait()
            errors.seek(0)
            said = [line.strip() for line in errors if not CHATTER.search(line)]
        if late:
            said.append(f"tshark did not end within {seconds} s by itself and was stopped.")
        return Shown(packets, " ".join(said))


def print_lines(process: subprocess.Popen[str]) -> int:
    """Prints what the process says until it ends, each line as wide as the screen; how many lines that were."""
    width = shutil.get_terminal_size((120, 24)).columns
    assert process.stdout is not None
    count = 0
    with process.stdout as lines:
        for line in lines:
            count += 1
            print(f"   {line.rstrip()}"[:width], flush=True)
    return count


def launcher(variables: dict[str, str]) -> str:
    """The launcher that an installation gets, on this checkout, and sure of its variables whatever HOME tshark has."""
    text = render(sys.executable, str(ROOT / "k8s_extcap" / "__main__.py"), {})
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    return text.replace("#!/bin/sh\n", f"#!/bin/sh\n{exports}", 1)


@contextmanager
def guest(kubeconfig: str, *, own: bool) -> Iterator[Guest]:
    """A fresh HOME with the extcap in it, removed at the end. `own`: the kubeconfig is the user's, and its credential
    plugins may need the user's HOME; what k8s-extcap itself writes stays in the temporary one all the same.
    """
    with tempfile.TemporaryDirectory(prefix="k8s-extcap-demo-") as folder:
        home = Path(folder)
        variables = {"KUBECONFIG": kubeconfig, "K8S_EXTCAP_HOME": str(home / "k8s-extcap")}
        if own:
            variables |= {
                name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("XDG_")
            }
        for place in EXTCAP_FOLDERS:
            extcap = home / place / "k8s-extcap"
            extcap.parent.mkdir(parents=True)
            extcap.write_text(launcher(variables), encoding="utf-8")
            extcap.chmod(0o755)
        foreign = ("XDG_", "WIRESHARK_", "KUBECONFIG")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        yield Guest(home, extcap, clean | {"HOME": folder, "LC_ALL": "C.UTF-8"})
    print(f"  {'LEFT ' if home.exists() else 'gone '} the temporary home folder {home}")


def unusable() -> str:
    """Why this tshark cannot capture, with the command that mends it; empty if it can."""
    if shutil.which("tshark") is None:
        return "There is no tshark. Install it: sudo apt-get install tshark"
    for folder in ("/usr/bin", "/usr/local/bin", "/usr/sbin", *os.get_exec_path()):
        dumpcap = Path(folder) / "dumpcap"
        if dumpcap.exists():
            return "" if os.access(dumpcap, os.X_OK) else forbidden(dumpcap)
    return "tshark is here but its dumpcap is not. Reinstall it: sudo apt-get install --reinstall wireshark-common"


def forbidden(dumpcap: Path) -> str:
    """The sentence for a closed dumpcap: Debian makes it so where non-superusers were allowed to capture packets."""
    group = grp.getgrgid(dumpcap.stat().st_gid).gr_name
    user = os.environ.get("USER") or str(os.geteuid())
    return (
        f"You may not execute {dumpcap} (it is for the group {group}), and without it tshark captures nothing, not "
        f"even through an extcap, which needs no privilege. This mends it: sudo usermod -aG {group} {user} && "
        f"sg {group} -c script/demo    (and from your next login on it holds everywhere)"
    )
