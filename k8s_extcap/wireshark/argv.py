"""The command line that Wireshark starts us with. Nothing in it makes us fail: an unknown word is kept.

On the hot lane: imports nothing. Option values come in any order, as `--call value` or `--call=value`; a switch may
come alone.
"""

from __future__ import annotations

# What is asked, by the word that asks it. The first of these that is present counts: a capture also carries a filter.
ACTIONS = (
    ("--capture", "capture"),
    ("--extcap-interfaces", "interfaces"),
    ("--extcap-reload-option", "reload"),
    ("--extcap-config", "config"),
    ("--extcap-dlts", "dlts"),
    ("--extcap-cleanup-postkill", "cleanup"),
    ("--extcap-capture-filter", "filter"),
    ("--refresh", "refresh"),
    ("--version", "version"),
)
_FLAGS = frozenset(
    "--capture --extcap-interfaces --extcap-config --extcap-dlts --extcap-cleanup-postkill --version".split()
)
_FIELDS = {
    "--extcap-interface": "interface",
    "--fifo": "fifo",
    "--extcap-control-in": "control_in",
    "--extcap-control-out": "control_out",
    "--extcap-capture-filter": "filter",
    "--extcap-reload-option": "reload_option",
    "--extcap-version": "version",
    "--refresh": "context",
}


class Invocation:
    """One call. `values` are option values by call without dashes; `rest` the words nobody knows what for.

    `action` is "" for what is no call of Wireshark's; `context` is the one that `--refresh` names.
    """

    __slots__ = (
        "action",
        "context",
        "control_in",
        "control_out",
        "fifo",
        "filter",
        "interface",
        "reload_option",
        "rest",
        "values",
        "version",
    )

    def __init__(self, action: str) -> None:
        self.action = action
        self.interface = ""
        self.fifo = ""
        self.control_in = ""
        self.control_out = ""
        self.filter = ""
        self.reload_option = ""
        self.version = ""
        self.context = ""
        self.values: dict[str, str] = {}
        self.rest: list[str] = []


def action_of(argv: list[str]) -> str:
    """What is asked, "" for a command line of people's."""
    words = {word.partition("=")[0] for word in argv}
    for word, action in ACTIONS:
        if word in words:
            return action
    return ""


def parse(argv: list[str], valued: frozenset[str] = frozenset()) -> Invocation:
    """The call, from the words behind the program's name. `valued` are the calls (without dashes) whose next word is
    their value even if it begins with two dashes: a comment may.
    """
    found = Invocation(action_of(argv))
    at = 0
    while at < len(argv):
        word = argv[at]
        at += 1
        name, equals, value = word.partition("=")
        if not name.startswith("--") or len(name) == 2:
            found.rest.append(word)
            continue
        if name in _FLAGS:
            continue
        if not equals:
            following = argv[at] if at < len(argv) else None
            certain = name[2:] in valued or (name in _FIELDS and name != "--refresh")
            if following is not None and (certain or not following.startswith("--")):
                value = following
                at += 1
            elif name not in _FIELDS:
                value = "true"
        if name in _FIELDS:
            setattr(found, _FIELDS[name], value)
        else:
            found.values[name[2:]] = value
    return found
