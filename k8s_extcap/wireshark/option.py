"""What an option is, before any is named: its type on the host's side, how widely it is kept, what counts as unset.

On the hot lane: imports nothing. What the hosts impose is tested against them: no `editselector` (unknown to 4.0),
never `required` beside `default` (4.0 asks again), no `boolflag` (with a default of true it is passed although nobody
chose it; `boolean` is passed if and only if it differs from the default that the dialog showed).
"""

from __future__ import annotations

# A selector's value for "nothing chosen". No name in Kubernetes and no network interface is a single dot.
UNCHOSEN = "."
# What a person writes to empty a text that was remembered: a cleared field reaches us as an untouched one.
NONE = "none"

# Our kind of option -> the extcap type that every Wireshark since 4.0 has.
TYPES = {
    "text": "string",
    "number": "unsigned",
    "switch": "boolean",
    "choice": "selector",  # a fixed set of values
    "pick": "selector",  # values come from the cluster, by the Reload button
    "file": "fileselect",
}

# How widely a value may be remembered. A consent ("consent") goes beyond its workload only where the user says
# everywhere; what belongs to one workload ("workload") never does; what says whose packets ("never") is not remembered.
KEEPS = ("any", "consent", "workload", "never")


class Option:
    """One option. `call` is without dashes; `default` is its value when nobody says anything; `choices` are pairs of
    value and display; `on` names the interface kinds whose dialog has it (all where empty). Its `group` and `number`
    come from its place in the table.
    """

    __slots__ = (
        "call",
        "choices",
        "default",
        "display",
        "file_exists",
        "group",
        "keep",
        "kind",
        "number",
        "on",
        "placeholder",
        "range",
        "tooltip",
    )

    def __init__(
        self,
        call: str,
        kind: str,
        display: str,
        tooltip: str,
        default: str = "",
        choices: tuple[tuple[str, str], ...] = (),
        placeholder: str = "",
        range: str = "",  # noqa: A002  the attribute's name in the extcap grammar: "from,to"
        keep: str = "any",
        on: tuple[str, ...] = (),
        file_exists: bool = False,
    ) -> None:
        self.call = call
        self.group = ""
        self.kind = kind
        self.display = display
        self.tooltip = tooltip
        self.default = default
        self.choices = choices
        self.placeholder = placeholder
        self.range = range
        self.keep = keep
        self.on = on
        self.file_exists = file_exists
        self.number = 0

    @property
    def flag(self) -> str:
        return "--" + self.call

    @property
    def preference(self) -> str:
        """Its last part in `-o extcap.INTERFACE.OPTION:VALUE` of tshark."""
        return self.call.replace("-", "")


def switch(call: str, display: str, tooltip: str, keep: str = "any") -> Option:
    return Option(call, "switch", display, tooltip, "false", keep=keep)


def placed(table: dict[str, tuple[Option, ...]]) -> tuple[Option, ...]:
    """All of a table by group, each with its group and its number."""
    every: list[Option] = []
    for group, options in table.items():
        for option in options:
            option.group, option.number = group, len(every)
            every.append(option)
    return tuple(every)


def unset(option: Option, value: str) -> bool:
    """Whether a value says "choose for me". A single blank counts: it is how some people empty a field."""
    value = value.strip()
    if value == "" or (option.kind in ("text", "file") and value.lower() == NONE):
        return True
    return option.kind == "pick" and value == UNCHOSEN
