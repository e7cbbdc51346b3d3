"""What the program that started us was asked to do, from its command line: which interfaces it can possibly want.

tshark lists all interfaces of all tools before any capture, at a process start each. Where its command line names
what it captures from, only that is listed; where anything is unclear, everything is. The grammar is getopt's with the
option strings of tshark and Wireshark 4.0 to 4.6, read from their binaries. On the hot lane.
"""

from __future__ import annotations

from k8s_extcap.model import ids

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable

# Short options: those with an argument and those without. tshark stops at its first operand, Wireshark goes on.
_TSHARK = (frozenset("abBcfisydKNtuMCeEFGHjJoOrRSTUwWXYz"), frozenset("2DILpnghlPqQvVx"))
_WIRESHARK = (frozenset("abBcfFisydKNtuCgJmoPrRwXYz"), frozenset("DILpnHhjklSv"))

# Long options; an unambiguous beginning will do, as getopt has it. `source` is 4.6's other word for `interface`.
_WITH = (
    "autostop buffer-size capture-comment compress compress-type disable-heuristic disable-protocol display-filter "
    "elastic-mapping-filter enable-heuristic enable-protocol export-objects export-tls-session-keys hexdump interface "
    "linktype log-debug log-domain log-domains log-fatal log-fatal-domain log-fatal-domains log-file log-level "
    "log-noisy only-protocols read-file read-filter ring-buffer selected-frame snapshot-length source temp-dir "
    "time-stamp-type update-interval"
).split()
_WITHOUT = (
    "color disable-all-protocols fullscreen global-profile help list-data-link-types list-interfaces list-sources "
    "list-time-stamp-types monitor-mode no-duplicate-keys no-promiscuous-mode print print-timers version"
).split()
_INTERFACE = ("interface", "source")
_LISTS = ("list-data-link-types", "list-interfaces", "list-sources", "list-time-stamp-types")

# A dialog's Save or Start follows `pref_valptr`, which an option with `save=false` has not: saveOptionToCaptureInfo in
# ui/qt/extcap_options_dialog.cpp of 4.2.2, which Ubuntu 24.04 has. 4.1 led to it; 4.0, 4.4 and 4.6 survive.
_DIES = ("4.1", "4.2")


class Parent:
    """`kind` is `gui`, `tshark` or "" (`other`: somebody else; if not, unreadable). `named` are interface names of ours
    on its command line. `only` True: nothing else of ours can be wanted. `preferences`: it sets options by
    `-o extcap.…`. `lists`: it prints interfaces.
    """

    __slots__ = ("kind", "lists", "named", "only", "other", "preferences")

    def __init__(
        self,
        kind: str = "",
        named: tuple[str, ...] = (),
        only: bool = False,
        preferences: bool = False,
        lists: bool = False,
        other: bool = False,
    ) -> None:
        self.kind = kind
        self.other = other
        self.named = named
        self.only = only
        self.preferences = preferences
        self.lists = lists

    @property
    def wants_fresh(self) -> bool:
        """Whether the catalog matters to it: a cluster is not asked because somebody captures from `lo`, nor
        by a program that we do not know. Where a system does not tell who asks, it may be a window.
        """
        return not self.other and (self.kind != "tshark" or self.lists or bool(self.named))

    def dialog(self, version: str) -> str:
        """For `config`: `gui` where we remember the options, `tshark` where the host has to: they must be settable by
        `-o`, which also `wireshark -k` may use, or it is a window that dies of options that are not its own to save.
        `version` is what the host told with its list, "" if nobody knows.
        """
        return "tshark" if self.kind == "tshark" or self.preferences or version in _DIES else "gui"


class _Words:
    """What getopt finds. `clear` False: something it does not know, or an option's argument is missing."""

    __slots__ = ("clear", "interfaces", "lists", "preferences")

    def __init__(self) -> None:
        self.interfaces: list[str] = []
        self.preferences: list[str] = []
        self.lists = False
        self.clear = True

    def take(self, option: str, value: str) -> None:
        if option == "i" or option in _INTERFACE:
            self.interfaces.append(value)
        elif option == "o":
            self.preferences.append(value)
        elif option in ("D", "L") or option in _LISTS:
            self.lists = True


def kind_of(program: str) -> str:
    """`tshark` or `gui` by the name it was started with: tshark, /usr/bin/tshark-4.6, Wireshark, wireshark-qt."""
    name = program.rpartition("/")[2].lower()
    for stem, kind in (("tshark", "tshark"), ("wireshark", "gui")):
        if name == stem or name.startswith((stem + "-", stem + ".", "lt-" + stem)):
            return kind
    return ""


def read(command: list[str], native: Callable[[str], bool]) -> Parent:
    """`command` is the parent's whole command line; `native` tells whether a word is surely an interface of another
    tool or of the machine.
    """
    kind = kind_of(command[0]) if command else ""
    if not kind:
        return Parent(other=bool(command))
    words = _getopt(command[1:], kind)
    named: list[str] = []
    only = kind == "tshark" and words.clear and not words.lists and bool(words.interfaces)
    for text in words.interfaces:
        name = ids.parse(text)
        if name is not None:
            named.append(ids.render(name))
        elif not native(text):
            only = False
    stored = [word[len("extcap.") :] for word in words.preferences if word.lower().startswith("extcap.")]
    for word in stored:
        key = word.partition(":")[0].rpartition(".")[0].lower()
        guess = _unkeyed(key)
        if guess and key not in [preference_key(name) for name in named]:
            named.append(guess)
    return Parent(kind, tuple(dict.fromkeys(named)), only, bool(stored), words.lists)


def preference_key(name: str) -> str:
    """How Wireshark spells an interface in `extcap.KEY.OPTION`: `a-b` and `a.b` share one."""
    return name.replace("-", "_").replace(".", "_").lower()


def _unkeyed(key: str) -> str:
    """One name that has this key; any of them makes the preference known. "" for what is no name of ours."""
    if key == preference_key(ids.BROWSE):
        return ids.BROWSE
    head, kind, rest = [*key.split("_", 2), "", ""][:3]
    if head != "k8s" or not rest:
        return ""
    dotted = rest.replace("_", ".", 2) if kind == "container" else rest.replace("_", ".", kind not in ("ns", "node"))
    name = ids.parse(f"{ids.PREFIX}{kind}-{dotted.replace('_', '-')}")
    return ids.render(name) if name is not None else ""


def _getopt(argv: list[str], kind: str) -> _Words:
    found = _Words()
    short = _TSHARK if kind == "tshark" else _WIRESHARK
    at = 0
    while at < len(argv) and found.clear:
        word = argv[at]
        at += 1
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            if kind == "tshark":
                break  # the rest is a filter
            continue
        used = _long(word[2:], argv[at:], found) if word.startswith("--") else _short(word[1:], argv[at:], short, found)
        at += used
    return found


def _short(letters: str, following: list[str], options: tuple[frozenset[str], frozenset[str]], found: _Words) -> int:
    """Reads one word of short options; how many of the following words it used."""
    valued, bare = options
    for at, letter in enumerate(letters):
        if letter in valued:
            attached = letters[at + 1 :]
            if attached or following:
                found.take(letter, attached or following[0])
            else:
                found.clear = False
            return 0 if attached else 1
        if letter not in bare:
            found.clear = False
            return 0
        found.take(letter, "")
    return 0


def _long(word: str, following: list[str], found: _Words) -> int:
    name, equals, value = word.partition("=")
    matches = [name] if name in _WITH or name in _WITHOUT else [w for w in (*_WITH, *_WITHOUT) if w.startswith(name)]
    takes = {match in _WITH for match in matches}
    meant = {match in _INTERFACE for match in matches}
    if len(takes) != 1 or len(meant) != 1:  # unknown, or ambiguous in a way that matters
        found.clear = False
        return 0
    if not takes.pop():
        found.take(matches[0], "")
        return 0
    if not equals and not following:
        found.clear = False
        return 0
    found.take(matches[0], value if equals else following[0])
    return 0 if equals else 1
