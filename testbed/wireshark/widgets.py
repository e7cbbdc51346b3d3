"""The widgets of one program as plain values, and a pair of hands for them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

PATIENCE = 30.0  # seconds; Wireshark itself takes under two, a busy machine ten times that
_PAUSE = 0.15  # between two looks: one costs 0.02-0.1 s of the program's own time

T = TypeVar("T")


class ProgramEndedError(RuntimeError):
    """The program whose screen this is has exited or crashed."""


class Box(NamedTuple):
    """On the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2


class Widget(NamedTuple):
    """`role` is the name that AT-SPI gives it, `name` its label or text, `text` what a field holds."""

    number: int
    parent: int
    role: str
    name: str
    box: Box
    text: str
    states: frozenset[str]


@dataclass(frozen=True)
class View:
    """All widgets that showed at one moment, in the order of the program's own tree."""

    widgets: tuple[Widget, ...]

    def all(self, role: str, name: str | None = None) -> list[Widget]:
        return [each for each in self.widgets if each.role == role and name in (None, each.name)]

    def one(self, role: str, name: str | None = None) -> Widget | None:
        return next(iter(self.all(role, name)), None)

    def inside(self, top: Widget) -> View:
        """`top` and everything below it."""
        numbers = {top.number}
        below = [top]
        for widget in self.widgets:
            if widget.parent in numbers and widget.number not in numbers:
                numbers.add(widget.number)
                below.append(widget)
        return View(tuple(below))

    def words(self) -> list[str]:
        """Everything that can be read, for an error's sentence."""
        return [text for widget in self.widgets if (text := widget.text or widget.name).strip()]


class Screen:
    """Looks through AT-SPI, acts through the X server as a person's mouse and keyboard do."""

    def __init__(self, display: str, eyes: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self.display = display
        self.program: subprocess.Popen[bytes] | None = None  # whose end makes waiting useless
        self._eyes = eyes
        self._environment = environment

    def look(self, *windows: str) -> View:
        """Everything, or only the windows of these roles: a dialog alone is read ten times faster."""
        return View(tuple(self._widgets(self._ask(list(windows), hidden=False, inside=None))))

    def entries(self, widget: Widget) -> list[str]:
        """The entries of a closed list, in order."""
        below = self._widgets(self._ask([], hidden=True, inside=widget.number))
        return [each.name for each in below if each.role == "list item"]

    def wait(self, what: str, question: Callable[[View], T | None], *windows: str) -> T:
        """The first answer that is true; `what` names it in the error when it does not come."""
        until = time.monotonic() + PATIENCE
        while True:
            view = self.look(*windows)
            if answer := question(view):
                return answer
            if self.program and self.program.poll() is not None:
                raise ProgramEndedError(f"No {what}: the program ended with status {self.program.returncode}.")
            if time.monotonic() > until:
                raise TimeoutError(f"No {what} within {PATIENCE:g} s. The screen says: {self._said()}")
            time.sleep(_PAUSE)

    def _said(self) -> str:
        words = " | ".join(self.look().words())
        return words if len(words) < 2000 else f"{words[:1000]} … {words[-1000:]}"  # a packet list is long

    def click(self, place: Widget, times: int = 1, held: str = "") -> None:
        """The left button in the middle of a widget, perhaps with a key such as `ctrl` held down."""
        x, y = place.box.middle
        click = ["mousemove", str(x), str(y), "click", "--repeat", str(times), "--delay", "60", "1"]
        self._xdotool(*(["keydown", held, *click, "keyup", held] if held else click))

    def aside(self) -> None:
        """The pointer goes to where it lights up nothing."""
        self._xdotool("mousemove", "0", "0")

    def scroll(self, place: Widget, notches: int) -> None:
        """The mouse wheel over a widget; upwards if negative."""
        x, y = place.box.middle
        wheel = ["click", "--repeat", str(abs(notches)), "--delay", "20", "5" if notches > 0 else "4"]
        self._xdotool("mousemove", str(x), str(y), *wheel)

    def focus(self, title: str) -> None:
        """Gives the keyboard to a window: nobody else does, without a window manager, before the first click."""
        self._xdotool("search", "--sync", "--onlyvisible", "--name", title, "windowfocus", "--sync")

    def keys(self, *keys: str) -> None:
        """Keys by their X names, such as `ctrl+a` or `Return`, to the widget that has the focus."""
        self._xdotool("key", "--delay", "20", *keys)

    def type(self, text: str) -> None:
        self._xdotool("type", "--delay", "5", "--", text)

    def _xdotool(self, *args: str) -> None:
        subprocess.run(["xdotool", *args], env=self._environment, check=True, timeout=60, capture_output=True)

    def _ask(self, windows: list[str], *, hidden: bool, inside: int | None) -> Any:
        assert self._eyes.stdin
        assert self._eyes.stdout
        self._eyes.stdin.write(json.dumps({"windows": windows, "hidden": hidden, "inside": inside}) + "\n")
        self._eyes.stdin.flush()
        line = self._eyes.stdout.readline()
        if not line:
            raise RuntimeError("The accessibility reader has ended.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"The accessibility reader says: {answer['error']}")
        return answer["ok"]

    @staticmethod
    def _widgets(found: Sequence[dict[str, Any]]) -> Iterator[Widget]:
        for each in found:
            yield Widget(**{**each, "box": Box(*each["box"]), "states": frozenset(each["states"])})
