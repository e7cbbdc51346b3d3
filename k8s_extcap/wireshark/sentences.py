"""The lines of a list answer. Wireshark's grammar (extcap_parser.c) has no escape: what it cannot carry is replaced.

A line must start with its keyword, be valid UTF-8, and a value ends at the first `}` followed by `{`, white space or
the line's end; so braces become parentheses. On the hot lane.
"""

from __future__ import annotations

from k8s_extcap.version import VERSION

LIMIT = 200  # bytes of a display: it becomes part of a temporary file's name, where 231 work and 240 do not

# The row that is always there.
BROWSE = "Kubernetes: choose a pod, workload or node"

# Our streams say themselves what they carry and may mix; this only fills Wireshark's link-type column.
DLTS = "dlt {number=1}{name=EN10MB}{display=Ethernet}\n"


def clean(text: str) -> str:
    """One line of printable text without braces, valid as UTF-8; blanks where something else stood."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.replace("{", "(").replace("}", ")").split())


def clip(text: str, limit: int = LIMIT) -> str:
    """At most `limit` bytes of UTF-8, no character cut in two."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore").rstrip() + "…"


def extcap() -> str:
    return f"extcap {{version={VERSION}}}{{display=Kubernetes}}\n"


def interface(value: str, display: str) -> str:
    """`value` is a name that `model.ids` rendered."""
    return f"interface {{value={value}}}{{display={clip(clean(display))}}}\n"
