"""Where our files are. On the hot lane: plain strings, the `posix` module instead of `os` (a tenth of an interpreter).

`K8S_EXTCAP_HOME` puts everything below one folder; else the XDG base directory specification 0.8 counts. Variables are
ignored unless absolute, for helpers of ours start in another folder. Without a HOME, which a service may lack, the
user's own in the password database counts, and where that is none either, a private folder below /tmp.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import os as system
else:
    import posix as system

__all__ = ["NAME", "cache", "config", "ensure", "home", "number", "read", "state", "system", "variable", "write"]

NAME = "k8s-extcap"
NOWHERE = "/nonexistent"  # Debian's word for the home of a user who has none: nothing is read, nothing can be written


def variable(name: str) -> str:
    """An environment variable, "" where it is not set. `posix.environ` has bytes, `os.environ` of Windows text."""
    value = system.environ.get(name.encode()) or system.environ.get(name) or b""  # type: ignore[call-overload]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def home() -> str:
    """The user's own folder, or what serves as one."""
    return variable("HOME") or variable("USERPROFILE") or _known_home() or _private()


def _known_home() -> str:
    if sys.platform == "win32":
        return ""  # it has no such database; USERPROFILE is always set
    import pwd

    try:
        home = pwd.getpwuid(system.getuid()).pw_dir
        return home if system.stat(home).st_uid == system.getuid() else ""
    except (KeyError, OSError):
        return ""  # no entry, or a home that is none, as services have it


def _private() -> str:
    """What lies there is believed (options, journals, compiled modules), so it must be nobody else's: everybody may
    make a folder of this name before us.
    """
    if sys.platform == "win32":
        return NOWHERE
    path = f"/tmp/{NAME}-{system.getuid()}"
    try:
        system.mkdir(path, 0o700)
    except OSError:
        pass  # there already, or not to be had
    try:
        found = system.lstat(path)
    except OSError:
        return NOWHERE
    ours = found.st_uid == system.getuid() and found.st_mode & 0o170077 == 0o040000  # a folder, closed to others
    return path if ours else NOWHERE


def _folder(part: str, xdg: str, default: str) -> str:
    own = variable("K8S_EXTCAP_HOME")
    if own.startswith("/") or own[1:2] == ":":  # of Windows
        return f"{own}/{part}"
    base = variable(xdg)
    return f"{base if base.startswith('/') else home() + default}/{NAME}"


def cache() -> str:
    return _folder("cache", "XDG_CACHE_HOME", "/.cache")


def config() -> str:
    return _folder("config", "XDG_CONFIG_HOME", "/.config")


def state() -> str:
    return _folder("state", "XDG_STATE_HOME", "/.local/state")


def ensure(path: str) -> str:
    """The folder, made 0700 with its parents where missing. OSError where that is refused."""
    try:
        system.stat(path)
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if parent:
            ensure(parent)
        try:
            system.mkdir(path, 0o700)
        except FileExistsError:
            pass  # a process started at the same time has made it
    return path


def number(text: str) -> int | None:
    """A count or a time as files of ours have them; None for anything else, other scripts' digits and a thousand of
    them among it, which `int` would take or refuse in its own way.
    """
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else None


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
        try:
            while content:
                content = content[system.write(handle, content) :]
        finally:
            system.close(handle)
        system.replace(temporary, path)  # unlike rename also over a file of Windows
    except OSError:
        system.unlink(temporary)
        raise
