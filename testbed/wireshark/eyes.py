"""Sees the widgets of programs through AT-SPI. Stand-alone: run by the machine's Python, which has gi.

One JSON request per line on stdin, one JSON answer per line on stdout: `{"ok": [widget, …]}` or `{"error": "…"}`. A
widget is known by a number that is valid until the next request for all of them.

It speaks D-Bus itself, all questions of a level at once. libatspi asks one after another (2 ms for a widget, this
0.3 ms) and remembers answers that only a listener of its events would correct.
"""

import json
import sys
from typing import Any, NamedTuple

from gi.repository import Gio, GLib  # type: ignore[import-not-found]  # Debian's, not to be had in a virtual environment

# Numbers of GetRole and bits of GetState, atspi-constants.h. Qt's own names for roles differ between its versions.
ROLES = {
    2: "alert", 7: "check box", 11: "combo box", 16: "dialog", 20: "filler", 23: "frame", 29: "label",
    30: "layered pane", 32: "list item", 34: "menu bar", 37: "page tab", 38: "page tab list", 39: "panel",
    40: "password text", 43: "push button", 44: "radio button", 52: "spin button", 56: "table cell", 61: "text",
    65: "tree", 66: "tree", 91: "table cell",
}  # fmt: skip
STATES = {4: "checked", 7: "editable", 10: "expanded", 12: "focused", 23: "selected", 24: "sensitive", 25: "showing"}
FIELDS = {"text", "password text", "spin button"}
# Of these the first cells are wanted whether in view or not: all rows of an interface list, 50 packets of 7 columns
# below their header (a capture of 100,000 packets is a table of 700,000 cells).
WHOLE = {"Interface list": 2000, "Packet list": 357}
CHILDREN = 2000  # nothing else has nearly as many
TIMEOUT = 10_000  # milliseconds; a program that is busy answers late

ACCESSIBLE, COMPONENT, TEXT = (f"org.a11y.atspi.{name}" for name in ("Accessible", "Component", "Text"))
PROPERTIES = "org.freedesktop.DBus.Properties"


class Widget(NamedTuple):
    """Its bus name and path."""

    owner: str
    path: str


class Question(NamedTuple):
    widget: Widget
    interface: str
    method: str
    arguments: Any = None


def connect() -> Any:
    session = Gio.bus_get_sync(Gio.BusType.SESSION)
    where = session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None, None, 0, -1)
    flags = Gio.DBusConnectionFlags
    how = flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(where.unpack()[0], how, None, None)


bus = connect()
known: list[Widget] = []


def ask(questions: list[Question]) -> list[Any]:
    """The answers, in order; None where the widget has gone or has no such side."""
    answers: list[Any] = [None] * len(questions)
    waiting = len(questions)

    def take(source: Any, result: Any, place: int) -> None:
        nonlocal waiting
        waiting -= 1
        try:
            answers[place] = source.call_finish(result).unpack()
        except GLib.Error:
            pass  # no answer is an answer, see above

    for place, (widget, interface, method, arguments) in enumerate(questions):
        bus.call(widget.owner, widget.path, interface, method, arguments, None, 0, TIMEOUT, None, take, place)
    while waiting:
        GLib.MainContext.default().iteration(True)
    return answers


def children(widgets: list[Widget], most: int = CHILDREN) -> list[list[Widget]]:
    """Of each widget at most so many, asked one by one: a long table takes seconds to tell all of its cells."""
    count = GLib.Variant("(ss)", (ACCESSIBLE, "ChildCount"))
    counts = [
        min(answer[0], most) if answer else 0
        for answer in ask([Question(w, PROPERTIES, "Get", count) for w in widgets])
    ]
    wanted = [
        Question(widget, ACCESSIBLE, "GetChildAtIndex", GLib.Variant("(i)", (place,)))
        for widget, number in zip(widgets, counts, strict=True)
        for place in range(number)
    ]
    found = iter(ask(wanted))
    return [[Widget(*each[0]) for _ in range(number) if (each := next(found))] for number in counts]


def look(windows: list[str], hidden: bool, inside: int | None) -> list[dict[str, Any]]:
    """Every widget that shows, in order, each with the number of its parent; menus stay closed.

    `windows` limits it to top windows of these roles. With `hidden` also those that do not show, such as the entries
    of a closed list; `inside` starts at a widget.
    """
    if inside is None:
        known.clear()
        registry = Widget("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
        (programs,) = children([registry])
        tops = [top for several in children(programs) for top in several]
        faces = [face for face in see(tops) if not windows or face["role"] in windows]
    else:
        faces = see([known[inside]])
    level = [face for face in faces if face]
    for face in level:
        face["hidden"] = hidden
    roots = level
    while level:
        level = descend(level)
    return flatten(roots)


def descend(level: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Puts the children that matter into each widget of a level and returns them, the next level."""
    open_ones = [face for face in level if face["role"] not in {"menu bar", "table cell"}]
    most = min([WHOLE[face["name"]] for face in open_ones if face["name"] in WHOLE], default=CHILDREN)
    below = children([face["widget"] for face in open_ones], most)
    seen = iter(see([child for several in below for child in several]))
    following = []
    for face, several in zip(open_ones, below, strict=True):
        hidden = face["hidden"] or face["name"] in WHOLE
        faces = [next(seen) for _ in several]
        face["children"] = [child for child in faces if child["role"] and (hidden or "showing" in child["states"])]
        for child in face["children"]:
            child["hidden"] = hidden
        following += face["children"]
    return following


def see(widgets: list[Widget]) -> list[dict[str, Any]]:
    """What a widget looks like; its role is empty if it has just gone."""
    name = GLib.Variant("(ss)", (ACCESSIBLE, "Name"))
    screen = GLib.Variant("(u)", (0,))
    questions = [
        question
        for widget in widgets
        for question in (
            Question(widget, ACCESSIBLE, "GetRole"),
            Question(widget, PROPERTIES, "Get", name),
            Question(widget, ACCESSIBLE, "GetState"),
            Question(widget, COMPONENT, "GetExtents", screen),
        )
    ]
    answers = ask(questions)
    faces: list[dict[str, Any]] = []
    for place, widget in enumerate(widgets):
        role, named, state, box = answers[4 * place : 4 * place + 4]
        bits = state[0][0] if state else 0
        faces.append(
            {
                "widget": widget,
                "role": ROLES.get(role[0], "other") if role else "",
                "name": named[0] if named else "",
                "states": [text for bit, text in STATES.items() if bits >> bit & 1],
                "box": list(box[0]) if box else [0, 0, 0, 0],
                "text": "",
                "children": [],
            }
        )
    _read([face for face in faces if face["role"] in FIELDS])
    return faces


def _read(fields: list[dict[str, Any]]) -> None:
    whole = GLib.Variant("(ii)", (0, -1))
    texts = ask([Question(field["widget"], TEXT, "GetText", whole) for field in fields])
    for field, text in zip(fields, texts, strict=True):
        field["text"] = text[0] if text else ""


def flatten(roots: list[dict[str, Any]], parent: int = -1) -> list[dict[str, Any]]:
    found = []
    for face in roots:
        known.append(face["widget"])
        number = len(known) - 1
        found.append({key: face[key] for key in ("role", "name", "states", "box", "text")})
        found[-1] |= {"number": number, "parent": parent}
        found += flatten(face["children"], number)
    return found


def main() -> None:
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"ok": look(**json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
