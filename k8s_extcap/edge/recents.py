"""Favourites, and what was captured lately: they are listed wherever they are. Two small text files, 0600.

A line is: interface name without alias, context, time of the last capture (epoch seconds), separated by tabs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from k8s_extcap.edge import folders, lock
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.ids import Name

KEPT = 8  # recents: more would fill the list with what was looked at once
AGE = 30 * 86400  # seconds after which nobody remembers having captured it
LIMIT = 256 * 1024  # bytes of a file that is read


class Used(NamedTuple):
    name: Name
    context: str
    at: int


def recents() -> list[Used]:
    """The newest first."""
    now = time.time()
    return [used for used in sorted(_read("recents"), key=lambda u: -u.at) if now - used.at < AGE][:KEPT]


def favourites() -> list[Used]:
    """In the order they were added."""
    return _read("favourites")


def remember(name: Name, context: str) -> None:
    """A capture of it was started. ConfigError where that cannot be written."""
    if name.kind != "browse":
        _change("recents", lambda known: [u for u in known if not _same(u, name, context)][-4 * KEPT :], name, context)


def add_favourite(name: Name, context: str) -> None:
    _change("favourites", lambda known: [u for u in known if not _same(u, name, context)], name, context)


def remove_favourite(name: Name, context: str) -> bool:
    """Whether it was one."""
    found = any(_same(used, name, context) for used in favourites())
    _change("favourites", lambda known: [u for u in known if not _same(u, name, context)], None, context)
    return found


def _same(used: Used, name: Name, context: str) -> bool:
    return used.context == context and used.name == _bare(name)


def _bare(name: Name) -> Name:
    return Name(name.kind, name.namespace, name.name, name.container, digest=name.digest)


def _read(file: str) -> list[Used]:
    found = []
    for line in folders.read(f"{folders.state()}/{file}", LIMIT).decode("utf-8", "replace").split("\n"):
        interface, tab, rest = line.partition("\t")
        context, _, at = rest.rpartition("\t")
        name, moment = ids.parse(interface), folders.number(at)
        if tab and moment is not None and name is not None:
            found.append(Used(name, context, moment))
    return found


def _change(file: str, keep: Callable[[list[Used]], list[Used]], added: Name | None, context: str) -> None:
    try:
        folders.ensure(folders.state())
        with lock.alone(f"{folders.state()}/{file}.lock"):
            known = keep(_read(file))
            if added is not None and not set("\t\n") & set(context):
                known.append(Used(_bare(added), context, int(time.time())))
            lines = [f"{ids.render(used.name)}\t{used.context}\t{used.at}\n" for used in known]
            folders.write(f"{folders.state()}/{file}", "".join(lines).encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"{folders.state()}/{file} could not be written ({error.strerror}).") from error
