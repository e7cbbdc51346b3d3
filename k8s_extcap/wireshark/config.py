"""The option dialog of one interface, as extcap sentences. On the hot lane: text in, text out, imports nothing heavy.

Under a GUI every option is printed with `save=false`: Wireshark would store it per interface name, lose it with the
pod, and warn about it in every tshark run afterwards. We remember instead (`edge/store.py`) and print what we
remember as the next defaults. tshark refuses `-o extcap.…` for such options, so there it is left out.
"""

from __future__ import annotations

from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark.option import TYPES, UNCHOSEN, Option
from k8s_extcap.wireshark.options import shown

FEW = 50  # values of a selector in the dialog: it is read by the host before every start
MANY = 1000  # values after Reload: the longest list that a person scrolls, and 4.0 still opens at once


def clean(text: str) -> str:
    """What a sentence can carry: one line of valid UTF-8 without braces, for which the grammar has no escape."""
    text = text.replace("{", "(").replace("}", ")")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text


def config(name: Name, stored: dict[str, str], parent: str) -> str:
    """All sentences of the dialog of interface `name`. `stored` are remembered values by call, used as defaults under a
    GUI; `parent` is `gui` or `tshark`.
    """
    lines: list[str] = []
    for option in shown(name.kind, parent):
        value = stored.get(option.call, option.default) if parent == "gui" else option.default
        lines.append(argument(option, value, parent))
        if option.choices:
            lines += values(option, list(option.choices), value, FEW)
    return "\n".join(lines) + "\n"


def argument(option: Option, value: str, parent: str) -> str:
    """The `arg` sentence. `value` is its default; those of selectors stand on their `value` lines."""
    line = (
        f"arg {{number={option.number}}}{{call={option.flag}}}{{display={clean(option.display)}}}"
        f"{{type={TYPES[option.kind]}}}{{tooltip={clean(option.tooltip)}}}"
    )
    if option.placeholder:
        line += f"{{placeholder={clean(option.placeholder)}}}"
    if not option.choices and value:
        line += f"{{default={clean(value)}}}"
    if option.range:
        line += f"{{range={option.range}}}"
    if option.kind == "pick":
        line += "{reload=true}"
    if option.kind == "file":
        line += "{mustexist=true}" if option.file_exists else "{mustexist=false}"
    line += f"{{group={option.group}}}"
    return line + "{save=false}" if parent == "gui" else line


def values(option: Option, pairs: list[tuple[str, str]], chosen: str, limit: int, more: int = 0) -> list[str]:
    """The `value` lines of a selector: at most `limit`, the rest counted in one more; `chosen` is preselected, and
    offered although the cluster does not list it (any more). `more` were not even fetched.
    """
    known = [value for value, _ in pairs]
    if chosen and chosen not in known:
        pairs = [*pairs, (chosen, chosen)]
    left = max(0, len(pairs) - limit) + more
    if left:
        kept = pairs[:limit]
        if chosen and chosen not in [value for value, _ in kept]:
            kept[-1] = next(pair for pair in pairs if pair[0] == chosen)
        pairs = [*kept, (UNCHOSEN, f"{left} more: narrow the namespace")]
    lines: list[str] = []
    selected = False
    for value, display in pairs:
        line = f"value {{arg={option.number}}}{{value={clean(value)}}}{{display={clean(display)}}}"
        if value == chosen and not selected:
            line += "{default=true}"
            selected = True
        lines.append(line)
    return lines
