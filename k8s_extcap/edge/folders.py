"""Where our files are. On the hot lane: plain strings, the `posix` module instead of `os` (a tenth of an interpreter).

`K8S_EXTCAP_HOME` puts everything below one folder; else the XDG base directory specification 0.8 counts, whose
variables are ignored unless absolute. Without a HOME, which a service may lack, a private folder below /tmp serves.
"""

from __future__ import annotations

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

__all__ = ["NAME", "cache", "config", "ensure", "read", "runtime", "state", "system", "variable", "write"]

NAME = "k8s-extcap"


def variable(name: str) -> str:
    """An environment variable, "" where it is not set. `posix.environ` has bytes, `os.environ` of Windows text."""
    value = system.environ.get(name.encode()) or system.environ.get(name) or b""  # type: ignore[call-overload]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _home() -> str:
    home = variable("HOME") or variable("USERPROFILE")
    return home or f"/tmp/{NAME}-{system.getuid()}"


def _folder(part: str, xdg: str, default: str) -> str:
    own = variable("K8S_EXTCAP_HOME")
    if own:
        return f"{own}/{part}"
    base = variable(xdg)
    return f"{base if base.startswith('/') else _home() + default}/{NAME}"


def cache() -> str:
    return _folder("cache", "XDG_CACHE_HOME", "/.cache")


def config() -> str:
    return _folder("config", "XDG_CONFIG_HOME", "/.config")


def state() -> str:
    return _folder("state", "XDG_STATE_HOME", "/.local/state")


def runtime() -> str:
    """For what must not outlive a login; below the cache where the system has no such folder."""
    if variable("K8S_EXTCAP_HOME") or not variable("XDG_RUNTIME_DIR").startswith("/"):
        return cache() + "/run"
    return _folder("run", "XDG_RUNTIME_DIR", "")


def ensure(path: str) -> str:
    """The folder, made 0700 with its parents where missing. OSError where that is refused, or it is another user's."""
    try:
        found = system.stat(path)  # noqa: PTH116 (pathlib costs more than all of us)
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if parent:
            ensure(parent)
        try:
            system.mkdir(path, 0o700)  # noqa: PTH102
        except FileExistsError:
            pass  # a process started at the same time has made it
        found = system.stat(path)  # noqa: PTH116
    if path.startswith(f"/tmp/{NAME}-") and found.st_uid != system.getuid():
        raise PermissionError(13, "belongs to another user", path)
    return path


def read(path: str, limit: int) -> bytes:
    """At most `limit` bytes of a file; empty where it cannot be read. In one breath: files are replaced, not edited."""
    try:
        handle = system.open(path, system.O_RDONLY)
    except OSError:
        return b""
    try:
        parts = []
        while limit > 0:
            part = system.read(handle, min(limit, 65536))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        system.close(handle)


def write(path: str, content: bytes) -> None:
    """Replace a file, 0600: whoever reads it at this moment gets the old one or the new one, whole."""
    temporary = f"{path}.{system.getpid()}"
    handle = system.open(temporary, system.O_WRONLY | system.O_CREAT | system.O_TRUNC, 0o600)
    try:
        while content:
            content = content[system.write(handle, content) :]
    finally:
        system.close(handle)
    system.rename(temporary, path)  # noqa: PTH104
