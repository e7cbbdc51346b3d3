"""Runs a kubeconfig's credential plugin as a process.

The library runs plugins too, but without a time limit, logs their failure instead of raising it, and ignores
`interactiveMode`. The protocol is client.authentication.k8s.io (kubernetes.io: client-go credential plugins). Plugins
get no terminal: Wireshark has none to give, and one that reads it would wait for ever.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from k8s_extcap.model.errors import CredentialError, clip

QUIET = 10.0  # seconds for a plugin nobody may be asked by: it answers from its own cache or not at all
PATIENT = 120.0  # seconds at a capture: a login in the browser is allowed then
SAID = 220  # characters of a plugin's last words: its reason stands at their end
SLACK = 60.0  # a token that ends within a minute is not worth starting a capture with
HEARD = 1 << 20  # bytes of each of a plugin's outputs that are kept; a credential has some thousand
LINGER = 2.0  # seconds for the rest of an output that a child of the ended plugin keeps open


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave: a bearer token, or a client certificate with its key (PEM), or both."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float = 0.0  # epoch seconds; 0: the plugin did not say

    def fresh(self, now: float) -> bool:
        return self.expires - SLACK > now


def _command(spec: dict[str, Any], folder: str) -> list[str]:
    command = str(spec.get("command") or "")
    if os.sep in command and not Path(command).is_absolute():
        command = str(Path(folder) / command)  # relative to the kubeconfig, as kubectl takes it
    found = shutil.which(command)
    if not found:
        hint = str(spec.get("installHint") or "").strip()
        searched = os.environ.get("PATH", "") if os.sep not in command else str(Path(command).parent)
        raise CredentialError(
            f"The kubeconfig's credential plugin '{command}' was not found in {clip(searched, 160)}. Install it, or "
            f"run 'k8s-extcap install' in a shell that finds it, so that its PATH is remembered. {hint}"
        )
    return [found, *(str(a) for a in spec.get("args") or ())]


def run(spec: dict[str, Any], cluster: dict[str, Any], folder: str, *, interactive: bool) -> Credential:
    """One run. `folder` is the kubeconfig's. CredentialError."""
    command = _command(spec, folder)
    info: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        info["cluster"] = _cluster_info(cluster)
    version = str(spec.get("apiVersion") or "")
    question = {"apiVersion": version, "kind": "ExecCredential", "spec": info}
    env = {**os.environ, **{str(e["name"]): str(e["value"]) for e in spec.get("env") or ()}}
    env["KUBERNETES_EXEC_INFO"] = json.dumps(question)
    if not interactive:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            env.pop(name, None)  # a list must not open a browser
    limit = PATIENT if interactive else QUIET
    try:
        # A session of its own: no terminal to open, and a way to end the plugin with all its children.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=folder or None,
            start_new_session=True,
        )
    except OSError as error:
        raise CredentialError(
            f"The credential plugin {command[0]} could not be started: {error.strerror}. Install it anew, or run it in "
            "a terminal to see why."
        ) from error
    _running.add(process)
    ears = _Ear(process.stdout), _Ear(process.stderr)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired as error:
        raise CredentialError(
            f"The credential plugin {command[0]} did not answer within {limit:.0f} s. Run it once in a terminal to "
            "log in, then try again."
        ) from error
    finally:
        _running.discard(process)
        _end(process)
        out, err = (ear.heard() for ear in ears)
    if process.returncode:
        # Its standard output may hold a credential: never shown.
        said = clip(masked(err.decode(errors="replace"))[-SAID:]).rstrip(".") or "it said nothing"
        raise CredentialError(
            f"The credential plugin {Path(command[0]).name} failed with exit code {process.returncode}: {said}. Run it "
            "in a terminal to log in, then try again."
        )
    return _parse(out, command[0])


class _Ear:
    """Reads one output of a plugin while it runs. Not to its end: a child that it left behind may keep it open."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._data = bytearray()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._pipe:
            while part := os.read(self._pipe.fileno(), 65536):
                self._data += part[: HEARD - len(self._data)]

    def heard(self) -> bytes:
        self._thread.join(LINGER)
        return bytes(self._data)


# What credentials look like in a debug output: a header, a field, a JSON web token, or a long word without a meaning.
_SECRET = re.compile(
    r"(?i:\b(?:bearer|basic)\s+)[^\s\"',;]{16,}"
    r"|(?i:\w*(?:token|secret|password|passwd)(?:\"\s*:\s*\"|=))[^\s\",;&]+"
    r"|eyJ[\w-]+\.[\w.-]+|[A-Za-z0-9+=_-]{40,}"
)


def masked(words: str) -> str:
    """A plugin's last words without what may be a credential."""
    return _SECRET.sub("***", words)


_running: set[subprocess.Popen[bytes]] = set()


def abandon() -> None:
    """Ends the plugins that are running for somebody who does not wait any more; the thread that waits reaps them."""
    for process in list(_running):
        _kill(process)


atexit.register(abandon)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: ours and its children's only
    except ProcessLookupError:
        pass  # it ended meanwhile


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _kill(process)
        process.wait()


def _cluster_info(cluster: dict[str, Any]) -> dict[str, Any]:
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {name: cluster[name] for name in names if name in cluster}
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _parse(out: bytes, command: str) -> Credential:
    try:
        status = json.loads(out)["status"]
        expires = status.get("expirationTimestamp")
        credential = Credential(
            token=str(status.get("token") or ""),
            certificate=str(status.get("clientCertificateData") or ""),
            key=str(status.get("clientKeyData") or ""),
            expires=datetime.fromisoformat(expires).timestamp() if expires else 0.0,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CredentialError(
            f"The credential plugin {command} printed no ExecCredential. Run it in a terminal to see what it says."
        ) from error
    if not credential.token and not (credential.certificate and credential.key):
        raise CredentialError(
            f"The credential plugin {command} gave neither a token nor a client certificate. "
            "Run it in a terminal to log in, then try again."
        )
    return credential
