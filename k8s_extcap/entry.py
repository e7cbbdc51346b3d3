"""Every call of Wireshark's comes here. Those it waits for are answered here, from text that lies ready; the others
(capture, reload, clean-up, refresh) and people's commands go on to where things may be imported.

Nothing here may import more than `sys`, `posix`, `time` and our own small modules: Wireshark starts this program
twice for each interface that it lists, and waits.
"""

from __future__ import annotations

import sys

from k8s_extcap.edge.folders import system
from k8s_extcap.wireshark import argv as words

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from typing import NoReturn

    from k8s_extcap.wireshark.argv import Invocation

FIRST_WAIT = 1.0  # seconds that the very first list waits for its refresher: a person would blame Wireshark for more

# Who goes on, by action. Each has `main(argv) -> int`.
LANES = {
    "capture": "k8s_extcap.run.lane",
    "reload": "k8s_extcap.run.reload",
    "refresh": "k8s_extcap.run.refresh",
    "cleanup": "k8s_extcap.run.janitor",
    "version": "k8s_extcap.cli.main",  # with other words behind it
    "": "k8s_extcap.cli.main",
}


def main(argv: list[str]) -> int:
    """The exit status. `argv` are the words behind the program's name."""
    action = words.action_of(argv)
    answer = _ANSWERS.get(action)
    if answer is None or (action == "version" and len(argv) > 1):
        return _go_on(action, argv)
    return _leave(answer(words.parse(argv)))


def _leave(text: str) -> NoReturn:
    """Prints and ends, without the interpreter's own tidying, which is a sixth of such a short life."""
    content = text.encode("utf-8", "replace")
    try:
        while content:
            content = content[system.write(1, content) :]
    except OSError:
        pass  # nobody reads any more
    system._exit(0)  # noqa: SLF001 (its name in `posix`)


def _list(call: Invocation) -> str:
    from k8s_extcap.edge import catalog, host
    from k8s_extcap.wireshark import parent, sentences

    host_program = parent.read(host.command_line(), host.native)
    if host_program.only and not host_program.named:
        return sentences.extcap()
    header, answer = catalog.load()
    now = catalog.stamp()
    if host_program.wants_fresh and catalog.stale(header, now):
        started = _refresh(now)
        if started and header is None and not host_program.only:  # what is named needs no catalog
            answer = _first_answer()
    if not host_program.other:
        _remember_whom(call.version, header.context if header else "")
    listed = answer or sentences.extcap() + sentences.interface("k8s-browse", sentences.BROWSE)
    named = [catalog.sentence(listed, name) or _unlisted(name) for name in host_program.named]
    if host_program.only:
        return sentences.extcap() + "".join(named)
    return listed + "".join(line for line in named if line not in listed)


def _remember_whom(version: str, context: str) -> None:
    """A window that stays open while the current context changes still means the cluster whose rows it shows; and only
    this call tells its version, which its dialogs depend on.
    """
    from k8s_extcap.edge import catalog, host

    try:
        catalog.show(host.identity(), version, context)
    except OSError:
        pass  # a read-only home: then the newest list counts


def _unlisted(value: str) -> str:
    """The sentence of an interface that only the host's command line names."""
    from k8s_extcap.model import ids
    from k8s_extcap.wireshark import sentences

    name = ids.parse(value)
    if name is None:
        return sentences.interface(value, f"Kubernetes {value}")
    words = [name.container, name.name or name.digest, name.namespace, ids.KINDS[name.kind], name.alias]
    return sentences.interface(value, ", ".join(word for word in words if word))


def _refresh(stamp: str) -> bool:
    """Starts a refresher that nobody waits for, unless there was one just now; whether it did."""
    from k8s_extcap.edge import catalog, spawn

    try:
        if not catalog.claim(stamp):
            return False
        spawn.detached([*spawn.ourselves(), "--refresh"])
    except OSError:
        return False  # a full disk or a read-only home: the list is answered all the same
    return True


def _first_answer() -> str:
    import time

    from k8s_extcap.edge import catalog

    deadline = time.monotonic() + FIRST_WAIT
    while time.monotonic() < deadline:
        header, answer = catalog.load()
        if header is not None:
            return answer
        time.sleep(0.02)
    return ""


def _dlts(call: Invocation) -> str:
    del call
    from k8s_extcap.wireshark import sentences

    return sentences.DLTS


def _config(call: Invocation) -> str:
    from k8s_extcap.edge import catalog, host, store
    from k8s_extcap.model import ids
    from k8s_extcap.wireshark import config, parent

    name = ids.parse(call.interface)
    if name is None:
        return ""
    version, _ = catalog.shown_to(host.identity())
    dialog = parent.read(host.command_line(), host.native).dialog(version)
    remembered: dict[str, str] = {}
    if dialog == "gui":
        from k8s_extcap.edge import allowed

        alias = name.alias
        if not alias:
            known = catalog.origin(call.interface)
            header = catalog.header() if known is None else None
            alias = known.alias if known else header.alias if header else ""
        # Of browse the cluster is not chosen yet.
        remembered = store.load(alias, name, allowed.shown(alias) if name.kind != "browse" else "")
    return config.config(name, remembered, dialog)


def _filter(call: Invocation) -> str:
    from k8s_extcap.wireshark import filter as packet_filter

    return packet_filter.check(call.filter)


def _version(call: Invocation) -> str:
    del call
    from k8s_extcap.version import VERSION

    return f"k8s-extcap {VERSION}\n"


_ANSWERS = {
    "interfaces": _list,
    "dlts": _dlts,
    "config": _config,
    "filter": _filter,
    "version": _version,
}


def _go_on(action: str, argv: list[str]) -> int:
    """Isolated Python has no site-packages: they come now, behind the standard library that ours stood before."""
    import importlib
    import site

    root = __file__.rpartition("k8s_extcap")[0][:-1]
    if root in sys.path:
        sys.path.remove(root)
    site.main()
    if root not in sys.path:
        sys.path.append(root)
    try:
        importlib.import_module("msgspec")  # of the dependencies the one that all lanes need, compiled for one Python
        lane = importlib.import_module(LANES[action])
    except ImportError as error:
        return _incomplete(action, argv, error)
    status: int = lane.main(argv)
    return status


def _incomplete(action: str, argv: list[str], error: ImportError) -> int:
    """Something that we depend on is gone, as after an update of the system's Python."""
    call = words.parse(argv)
    if action == "capture" and call.fifo:
        system.close(system.open(call.fifo, system.O_WRONLY))  # Wireshark 4.0 waits for ever for a FIFO never opened
    sys.stderr.write(
        f"k8s-extcap cannot start: {error} (Python {sys.version.split()[0]} at {sys.executable}). "
        "Install it again, then run 'k8s-extcap install'.\n"
    )
    return 1
