"""A Wireshark window and somebody who uses it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import group
from testbed.wireshark.desk import Desk
from testbed.wireshark.dialog import Dialog, top
from testbed.wireshark.display import SIZE, Size, screen
from testbed.wireshark.widgets import Screen, View, Widget

# The window fills the screen, so that rows are in view and pictures are the same in every run. No question about
# unsaved packets at the end; no advertisements in 4.6's welcome page.
_RECENT = """\
gui.geometry_main_x: 0
gui.geometry_main_y: 0
gui.geometry_main_width: {width}
gui.geometry_main_height: {height}
"""
_RECENT_4_6 = "gui.welcome_page.sidebar.tips_visible: FALSE\n"
_PREFERENCES = "gui.ask_unsaved: FALSE\ngui.update.enabled: FALSE\n"


@dataclass(frozen=True)
class Window:
    """Texts are what the screen shows. Everything waits until it has happened, or raises TimeoutError."""

    desk: Desk
    screen: Screen
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def version(self) -> str:
        return self.desk.version

    def rows(self) -> list[str]:
        """The interface list, top to bottom: for an extcap `DISPLAY: VALUE`."""
        return [cells[1].name for cells in _rows(self.screen.look()) if len(cells) > 1]

    def wait_for_row(self, text: str) -> str:
        """Until the list has a row that contains `text`; its whole text."""
        return self.screen.wait(f"row with {text!r}", lambda view: _row(view, text))[1].name

    def open_options(self, row: str) -> Dialog:
        """The gear of a row."""
        self.screen.click(self._in_view(row)[0])
        self.screen.wait(f"options dialog of {row}", top)
        return Dialog(self.screen)

    def select_packet(self, text: str) -> None:
        """The first packet one of whose columns is `text`, among those at the top of the list."""
        self.screen.click(self.screen.wait("button", lambda view: view.one("push button", "First Packet")))
        self.screen.click(self.screen.wait(f"packet {text}", lambda view: _packet_in_view(view, text)))

    def select(self, *rows: str) -> None:
        """One click on the first, a click with Ctrl on each other."""
        for row in rows:
            self.screen.click(self._in_view(row)[1], held="ctrl" if row != rows[0] else "")
            self.screen.wait(f"selection of {row}", lambda view: _selected(_row(view, row)))  # noqa: B023

    def start(self, row: str) -> None:
        """A double click on a row; returns when the capture page is there."""
        self.screen.click(self._in_view(row)[1], times=2)
        self.wait_for_capture()

    def wait_for_capture(self) -> None:
        """Until the list of packets took the place of the list of interfaces."""
        self.screen.wait("packet list", lambda view: view.one("tree", "Packet list"))

    def capturing(self) -> bool:
        stop = self.screen.look().one("push button", "Stop")
        return bool(stop and "sensitive" in stop.states)

    def wait_for_packets(self, count: int) -> int:
        """Until the status bar counts that many; what it says."""
        return self.screen.wait(f"{count} packets", lambda view: (n := _packets(view)) >= count and n)

    def packets(self) -> int:
        """The count in the status bar."""
        return _packets(self.screen.look())

    def packet_rows(self, least: int = 1) -> list[list[str]]:
        """The first 50 packets, when there are so many: No., Time, Source, Destination, Protocol, Length, Info."""

        def rows(view: View) -> list[list[str]] | None:
            table = next((each for each in view.all("tree") if each.name == "Packet list"), None)
            lines: dict[int, list[str]] = {}
            for cell in view.inside(table).all("table cell") if table else []:
                lines.setdefault(cell.box.y, []).append(cell.name)
            # While the list grows, a row may be seen in part.
            whole = [line for line in lines.values() if len(line) == 7]
            return whole if len(whole) >= least else None

        return self.screen.wait(f"{least} packets in the list", rows)

    def stop(self) -> None:
        """The red square; returns when the capture has ended."""
        self.screen.click(self.screen.wait("stop button", lambda view: view.one("push button", "Stop")))
        self.wait_for_end()

    def wait_for_end(self) -> None:
        """Until all of it has ended: the red square is grey at once, the fin stays pressed until the extcap is gone."""
        self.screen.wait("end of the capture", _ended)

    def close_file(self) -> None:
        """Back to the welcome page."""
        self.screen.click(self.screen.wait("close button", lambda view: view.one("push button", "Close")))

    def press_start(self) -> None:
        """The blue fin: starts what is selected, or after a stop the same again."""
        self.screen.click(self.screen.wait("start button", _fin))

    def rescan(self) -> None:
        """F5 on the welcome page. It gives no sign of its own: wait for what should be new."""
        self.screen.focus("Wireshark")
        self.screen.keys("F5")

    def wait_for_error(self) -> str:
        """The words of a message box; it stays open."""
        return self.screen.wait("error dialog", error)

    def error(self) -> str | None:
        return error(self.screen.look())

    def dismiss(self) -> None:
        """Close the message box; another one may follow it."""
        words = self.wait_for_error()
        box = self.screen.wait("error dialog", lambda view: view.one("alert"))
        self.screen.click(self.screen.wait("OK", lambda view: view.inside(box).one("push button", "OK")))
        self.screen.wait("end of the error dialog", lambda view: error(view) != words)

    def filter(self, text: str) -> None:
        """Type a capture filter on the welcome page, key by key."""
        self.screen.click(self.screen.wait("filter", lambda view: view.one("text", "Capture filter entry")))
        self.screen.keys("ctrl+a", "Delete")
        self.screen.type(text)

    def picture(self, path: Path) -> Path:
        """The whole screen as PNG, of 256 colours: a window has few, and 100 kB are enough."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.screen.aside()
        command = ["import", "-display", self.screen.display, "-window", "root", "-strip", "+dither", "-colors", "256"]
        subprocess.run([*command, f"png8:{path}"], check=True, timeout=60, capture_output=True)
        return path

    def words(self) -> list[str]:
        """All that can be read on the screen."""
        return self.screen.look().words()

    def _in_view(self, text: str) -> tuple[Widget, ...]:
        """A row, scrolled to if need be."""
        for _ in range(100):
            view = self.screen.look()
            cells = _row(view, text) or self.screen.wait(f"row with {text!r}", lambda later: _row(later, text))
            frame = next(each for each in view.all("tree") if cells[0] in view.inside(each).widgets)
            distance = cells[1].box.middle[1] - frame.box.middle[1]
            if abs(distance) < frame.box.height // 2:
                return cells
            # A notch of the wheel moves three rows; too few at once are made up for at the next look.
            self.screen.scroll(frame, notches=distance // (4 * cells[1].box.height) or 1)
        raise LookupError(f"The row with {text!r} cannot be scrolled to.")


@contextmanager
def window(desk: Desk, *args: str, env: Mapping[str, str] | None = None, size: Size = SIZE) -> Iterator[Window]:
    """Wireshark with these arguments on a screen of its own, killed at the end with all that it started."""
    modern = desk.version not in {"4.0", "4.2", "4.4"}
    recent = _RECENT.format(width=size[0], height=size[1])
    desk.write(".config/wireshark/recent_common", recent + (_RECENT_4_6 if modern else ""))
    if not (desk.home / ".config/wireshark/preferences").exists():
        desk.write(".config/wireshark/preferences", _PREFERENCES)
    log = desk.case / "wireshark.log"
    with screen(desk, size) as (hands, shown), log.open("wb") as errors:
        process = subprocess.Popen(
            desk.command(["wireshark", *args]),
            cwd=desk.home,
            env={**shown, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        hands.program = process
        try:
            yield Window(desk, hands, process, log)
        finally:
            group.kill(process)


def error(view: View) -> str | None:
    """The words of the message box that is open."""
    box = view.one("alert")
    words = [each.name for each in view.inside(box).all("label") if each.name] if box else []
    return "\n".join(words) or None


def _rows(view: View) -> list[tuple[Widget, ...]]:
    """The cells of the interface list, row by row."""
    listing = next((each for each in view.widgets if each.name == "Interface list"), None)
    rows: dict[int, list[Widget]] = {}
    for cell in view.inside(listing).all("table cell") if listing else []:
        rows.setdefault(cell.box.y, []).append(cell)
    return [tuple(cells) for cells in rows.values()]


def _row(view: View, text: str) -> tuple[Widget, ...] | None:
    rows = [cells for cells in _rows(view) if len(cells) > 1]
    exact = [cells for cells in rows if cells[1].name == text or cells[1].name.endswith(f": {text}")]
    return next(iter(exact or [cells for cells in rows if text in cells[1].name]), None)


def _selected(cells: tuple[Widget, ...] | None) -> bool:
    return bool(cells and "selected" in cells[1].states)


def _packet_in_view(view: View, text: str) -> Widget | None:
    table = next((each for each in view.all("tree") if each.name == "Packet list"), None)
    cells = view.inside(table).all("table cell", text) if table else []
    return next((cell for cell in cells if "showing" in cell.states), None)


def _packets(view: View) -> int:
    for label in view.all("label"):
        if found := re.match(r"Packets: (\d+)", label.name):
            return int(found[1])
    return 0


def _fin(view: View) -> Widget | None:
    """The start button, if it can be pressed."""
    fin = view.one("check box", "Start")
    return fin if fin and "sensitive" in fin.states else None


def _ended(view: View) -> bool:
    fin, square = view.one("check box", "Start"), view.one("push button", "Stop")
    return bool(fin and square and "checked" not in fin.states and "sensitive" not in square.states)
