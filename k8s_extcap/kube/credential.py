"""The credential of a kubeconfig's `exec` section: a plugin is run at most once for all captures that start together,
and asks a person at most once in the life of a process.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from k8s_extcap.kube import plugin
from k8s_extcap.kube.plugin import Credential, abandon
from k8s_extcap.model.errors import CredentialError

__all__ = ["Credential", "abandon", "forget", "obtain"]

# Variables by which cloud plugins choose among several accounts: their answers must not be mixed up.
CHOOSING = ("AWS_", "AZURE_", "AAD_", "ARM_", "GOOGLE_", "CLOUDSDK_", "OCI_", "DIGITALOCEAN_", "TSH_", "TELEPORT_")


_held: dict[str, Credential] = {}  # those that do not say when they end, for the life of this process
_asked: set[str] = set()  # plugins that this process ran when they could ask: they ask a person once
_alone = threading.Lock()


def obtain(spec: dict[str, Any], cluster: dict[str, Any], folder: str, cache: str, *, interactive: bool) -> Credential:
    """The credential of an `exec` section. `folder` is the kubeconfig's, for a relative command; `cache` an existing
    private folder for credentials that say when they end. Processes and threads that want the same one wait for each
    other, and share what comes of it, a failure too. CredentialError.
    """
    file = _cache_file(spec, cluster, cache)
    began = time.time()
    with _alone, _locked(file):
        known = _read(file) or _held.get(file.name)
        if known and (known.fresh(time.time()) or not known.expires):
            return known
        may_ask = interactive and file.name not in _asked
        _fail_as(file, began, may_ask=may_ask)
        if not interactive and spec.get("interactiveMode") == "Always":
            raise CredentialError(
                f"The credential plugin {spec.get('command')} always asks a person, so it is not run for a list. "
                "Run 'k8s-extcap refresh', or start a capture."
            )
        if may_ask:
            _asked.add(file.name)
        try:
            credential = plugin.run(spec, cluster, folder, interactive=may_ask)
        except CredentialError as error:
            _note_failure(file, error, may_ask=may_ask)
            raise
        if credential.expires:
            _write(file, {f: getattr(credential, f) for f in ("token", "certificate", "key", "expires")})
        else:
            _held[file.name] = credential
        return credential


def forget(spec: dict[str, Any], cluster: dict[str, Any], cache: str, refused: Credential) -> None:
    """The cluster did not accept it: the plugin is asked anew, unless another process has done so already."""
    file = _cache_file(spec, cluster, cache)
    with _alone, _locked(file):
        if _held.get(file.name) == refused:
            del _held[file.name]
        if _read(file) == refused:
            file.unlink(missing_ok=True)


def _note_failure(file: Path, error: CredentialError, *, may_ask: bool) -> None:
    _write(file.with_suffix(".failed"), {"sentence": error.sentence, "at": time.time(), "asked": may_ask})


def _fail_as(file: Path, began: float, *, may_ask: bool) -> None:
    """What failed while we waited for it is not tried once more: ten captures would open ten browsers. But a list's
    run, which may ask nobody and waits for seconds only, says nothing about a capture's.
    """
    try:
        told = json.loads(file.with_suffix(".failed").read_text())
        sentence, at = str(told["sentence"]), float(told["at"])
        if may_ask and not told["asked"]:
            return
    except (OSError, ValueError, KeyError, TypeError):
        return
    if began <= at <= time.time():
        raise CredentialError(sentence)


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


def _write(path: Path, content: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # created 0600
        json.dump(content, file)
    Path(file.name).replace(path)
