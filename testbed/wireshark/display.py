"""A screen that nobody looks at, and the bus on which its programs describe their widgets.

Why AT-SPI: measured on 4.0 (Qt 5.15), 4.4 (Qt 6.8) and 4.6 (Qt 6.11), it gives every row, field, label and the status
bar as text with its place on the screen. The bus is a socket in the folder that chroots share with the machine, so a
chroot needs nothing for it. Pictures cannot be read that well, and keyboard navigation alone never knows where it is.
Clicks and keys come from xdotool, because they take the way that a person's do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from testbed.wireshark.desk import Desk
from testbed.wireshark.room import Room
from testbed.wireshark.widgets import Screen

Size = tuple[int, int]
SIZE: Size = (1280, 800)
_PROGRAMS = {
    "Xvfb": "xvfb",
    "dbus-daemon": "dbus-daemon",
    "xdotool": "xdotool",
    "import": "imagemagick",
    "/usr/libexec/at-spi-bus-launcher": "at-spi2-core",
}
_PYTHON = "/usr/bin/python3"  # the one that Debian's gi belongs to
_EYES = Path(__file__).with_name("eyes.py")


def missing() -> str | None:
    """What has to be installed before windows can be driven; None if nothing."""
    absent = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    ask = "from gi.repository import Gio"
    try:
        subprocess.run([_PYTHON, "-c", ask], capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError):
        absent += ["python3-gi"]
    return " ".join(absent) or None


@contextmanager
def screen(desk: Desk, size: Size = SIZE) -> Iterator[tuple[Screen, dict[str, str]]]:
    """A screen of its own for one desk, and the environment for programs that shall appear on it."""
    with ExitStack() as stack:
        display = stack.enter_context(_x_server(desk, size))
        bus = desk.case / "run/bus"
        shown = {
            **desk.environment(),
            "DISPLAY": display,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}",
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
        }
        stack.enter_context(_running(["dbus-daemon", "--session", "--nofork", f"--address=unix:path={bus}"], shown))
        _until(bus.exists, "D-Bus daemon")
        # Run from a copy: the checkout may lie in a folder that only its owner may enter.
        eyes = desk.write("eyes.py", _EYES.read_text())
        reader = stack.enter_context(_running([_PYTHON, "-I", str(eyes)], shown))
        hands = Screen(display, reader, {"DISPLAY": display, "PATH": os.environ["PATH"]})
        hands.look()  # starts the accessibility bus: programs look for it when they start
        yield hands, shown


@contextmanager
def _x_server(desk: Desk, size: Size) -> Iterator[str]:
    """An X server on a number that it chooses itself, so that two runs never meet."""
    read, write = os.pipe()
    width, height = size
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    with (desk.case / "xvfb.log").open("wb") as log:
        server = subprocess.Popen(argv, pass_fds=[write], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as chosen:
            number = chosen.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb did not start: {(desk.case / 'xvfb.log').read_text()[-300:]}")
        yield f":{number}"
    finally:
        _end(server)


@contextmanager
def _running(argv: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A helper on the machine itself, as the ordinary user."""
    process = subprocess.Popen(
        Room("", Path("/")).command(argv),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # the accessibility bus is a child of the D-Bus daemon and goes with it
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def _until(true: object, what: str) -> None:
    assert callable(true)
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise RuntimeError(f"The {what} did not start within 10 s.")
