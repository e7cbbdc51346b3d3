"""The options dialog of an interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from testbed.wireshark.widgets import Screen, View, Widget

_FIELDS = frozenset({"text", "password text", "combo box", "spin button", "tree"})


def top(view: View) -> Widget | None:
    """The options dialog itself."""
    return next((each for each in view.all("dialog") if "Interface Options" in each.name), None)


def within(view: View) -> View:
    dialog = top(view)
    return view.inside(dialog) if dialog else View(())


@dataclass(frozen=True)
class Dialog:
    """Fields are known by their labels, groups are tabs that are opened as needed; buttons differ by version."""

    screen: Screen

    def groups(self) -> list[str]:
        return [each.name for each in within(self.screen.look("dialog")).all("page tab")]

    def labels(self) -> list[str]:
        """Every label and tick box, group by group."""
        return [each.name for page in self._pages() for each in page if each.role in {"label", "check box"}]

    def value(self, label: str) -> str:
        """What the field holds; `on` or `off` for a tick box, the chosen button's text for radio buttons."""
        field = self._field(label)
        if field.role == "check box":
            return "on" if "checked" in field.states else "off"
        if field.role == "radio button":
            return next(each.name for each in self._beside(label) if "checked" in each.states)
        return field.name if field.role == "combo box" else field.text

    def choices(self, label: str) -> list[str]:
        """The entries of a list, or the texts of radio buttons."""
        field = self._field(label)
        if field.role == "radio button":
            return [each.name for each in self._beside(label) if each.role == "radio button"]
        return self.screen.entries(field)

    def set(self, label: str, value: str) -> None:
        """Types a text, picks an entry or a radio button, ticks a box (`on` or `off`)."""
        field = self._field(label)
        if self.value(label) == value:
            return
        if field.role == "check box":
            self.screen.click(field)
        elif field.role == "radio button":
            self.screen.click(next(each for each in self._beside(label) if each.name == value))
        elif field.role == "combo box" and "editable" not in field.states:
            place = self.choices(label).index(value)
            self.screen.click(field)
            self.screen.keys("Home", *["Down"] * place, "Return")
        else:
            self.screen.click(field)
            self.screen.keys("ctrl+a", "Delete")
            self.screen.type(value)
        self.screen.wait(f"{label} = {value}", lambda _: self.value(label) == value)

    def press(self, button: str, beside: str | None = None) -> None:
        """Save, Start (4.4 and 4.6), Close (4.0), Discard (4.4 and 4.6) …; `beside` a label for `Reload data`."""
        if beside:
            self.screen.click(next(each for each in self._beside(beside) if each.name == button))
        else:
            self.screen.click(
                self.screen.wait(f"button {button}", lambda view: within(view).one("push button", button))
            )

    def save(self) -> None:
        self.press("Save")
        self._gone()

    def leave(self) -> None:
        """Without saving."""
        self.screen.keys("Escape")
        self._gone()

    def _gone(self) -> None:
        self.screen.wait("end of the dialog", lambda view: top(view) is None)

    def _pages(self) -> Iterator[tuple[Widget, ...]]:
        """The widgets of each group's page, the buttons below left out; opens the groups one after another."""
        for group in self.groups() or [""]:
            if group:
                self._turn_to(group)
            view = within(self.screen.look("dialog"))
            frame = view.one("layered pane")
            yield view.inside(frame).widgets if frame else _above_buttons(view)

    def _turn_to(self, group: str) -> None:
        self.screen.click(self.screen.wait(group, lambda view: within(view).one("page tab", group)))
        self.screen.wait(f"page {group}", lambda view: within(view).one("page tab list", group))

    def _field(self, label: str) -> Widget:
        beside = self._beside(label)
        for each in beside:
            if each.role in _FIELDS or each.role in {"check box", "radio button"}:
                return each
        raise LookupError(f"Nothing to fill in beside {label!r}: {beside}")

    def _beside(self, label: str) -> list[Widget]:
        """The tick box of that name, or what stands to the right of the label, on whichever page it is."""
        view = within(self.screen.look("dialog"))
        if found := _row(view.widgets, label):
            return found
        for page in self._pages():
            if found := _row(page, label):
                return found
        raise LookupError(f"No {label!r} in the dialog, only {self.labels()}")


def _row(widgets: tuple[Widget, ...], label: str) -> list[Widget]:
    for widget in widgets:
        if widget.name != label:
            continue
        if widget.role == "check box":
            return [widget]
        if widget.role == "label":
            return [each for each in widgets if each.box.x > widget.box.x and _overlap(each, widget, widgets)]
    return []


def _overlap(field: Widget, label: Widget, widgets: tuple[Widget, ...]) -> bool:
    """Whether a field belongs to the label: a row is as high as the container that its fields stand in.

    Labels stand in the middle of their row; radio buttons and their like fill it above and below.
    """
    parents = {each.number: each for each in widgets}
    parent = parents.get(field.parent)
    # A filler that does not also hold the label is the row's own container.
    box = parent.box if parent and parent.role == "filler" and parent.number != label.parent else field.box
    return box.y <= label.box.middle[1] <= box.y + box.height


def _above_buttons(view: View) -> tuple[Widget, ...]:
    """The page of a dialog without groups: what stands above the line over its buttons."""
    line = min((each.box.y for each in view.widgets if each.role in {"frame", "panel"}), default=10**6)
    return tuple(each for each in view.widgets if each.box.y + each.box.height <= line)
