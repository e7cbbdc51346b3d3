"""Runs a kubeconfig's credential plugin, at most once for all captures that start together.

The library runs plugins too, but without a time limit or a cache, logs their failure instead of raising it, and
ignores `interactiveMode`. The protocol is client.authentication.k8s.io (kubernetes.io: client-go credential plugins).
Plugins get no terminal: Wireshark has none to give, and one that reads it would wait for ever.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from k8s_extcap.model.errors import CredentialError, clip

QUIET = 10.0  # seconds for a plugin nobody may be asked by: it answers from its own cache or not at all
PATIENT = 120.0  # seconds at a capture: a login in the browser is allowed then
SAID = 220  # characters of a plugin's last words: its reason stands at their end
SLACK = 60.0  # a token that ends within a minute is not worth starting a capture with


# Variables by which cloud plugins choose among several accounts: their answers must not be mixed up.
CHOOSING = ("AWS_", "AZURE_", "AAD_", "ARM_", "GOOGLE_", "CLOUDSDK_", "OCI_", "DIGITALOCEAN_", "TSH_", "TELEPORT_")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave: a bearer token, or a client certificate with its key (PEM), or both."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: float = 0.0  # epoch seconds; 0: the plugin did not say

    def fresh(self, now: float) -> bool:
        return self.expires - SLACK > now


def obtain(spec: dict[str, Any], cluster: dict[str, Any], folder: str, cache: str, *, interactive: bool) -> Credential:
    """The credential of an `exec` section. `folder` is the kubeconfig's, for a relative command; `cache` an existing
    private folder for credentials that say when they end. CredentialError.
    """
    file = _cache_file(spec, cluster, cache)
    with _locked(file):
        known = _read(file)
        if known and known.fresh(time.time()):
            return known
        if not interactive and spec.get("interactiveMode") == "Always":
            raise CredentialError(
                f"The credential plugin {spec.get('command')} always asks a person, so it is not run for a list. "
                "Run 'k8s-extcap refresh', or start a capture."
            )
        credential = _run(spec, cluster, folder, interactive=interactive)
        if credential.expires:
            _write(file, credential)
        return credential


def forget(spec: dict[str, Any], cluster: dict[str, Any], cache: str) -> None:
    """The cluster did not accept what was kept: the next start asks the plugin anew."""
    _cache_file(spec, cluster, cache).unlink(missing_ok=True)


def _cache_file(spec: dict[str, Any], cluster: dict[str, Any], cache: str) -> Path:
    who = {name: value for name, value in os.environ.items() if name.startswith(CHOOSING)}
    identity = json.dumps([spec, cluster.get("server"), who], sort_keys=True, default=str)
    return Path(cache) / hashlib.sha256(identity.encode()).hexdigest()[:32]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(f"{path}.lock", "w", opener=_private) as lock:
        if sys.platform != "win32":  # which has no such lock: of two that start together, each asks the plugin
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, whatever happens to it
        yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> Credential | None:
    try:
        return Credential(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None  # absent, or written by another version: the plugin is run again


def _write(path: Path, credential: Credential) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # created 0600
        json.dump({f: getattr(credential, f) for f in ("token", "certificate", "key", "expires")}, file)
    Path(file.name).replace(path)


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


def _run(spec: dict[str, Any], cluster: dict[str, Any], folder: str, *, interactive: bool) -> Credential:
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
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise CredentialError(
            f"The credential plugin {command[0]} did not answer within {limit:.0f} s. Run it once in a terminal to "
            "log in, then try again."
        ) from error
    finally:
        _running.discard(process)
        _end(process)
    if process.returncode:
        # Its standard output may hold a credential: never shown.
        said = clip(err.decode(errors="replace")[-SAID:]).rstrip(".") or "it said nothing"
        raise CredentialError(
            f"The credential plugin {Path(command[0]).name} failed with exit code {process.returncode}: {said}. Run it "
            "in a terminal to log in, then try again."
        )
    return _parse(out, command[0])


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
        process.communicate()


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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CredentialError(
            f"The credential plugin {command} printed no ExecCredential. Run it in a terminal to see what it says."
        ) from error
    if not credential.token and not (credential.certificate and credential.key):
        raise CredentialError(
            f"The credential plugin {command} gave neither a token nor a client certificate. "
            "Run it in a terminal to log in, then try again."
        )
    return credential
