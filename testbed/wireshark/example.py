"""The example extcap at somebody's desk: what it shall say, and the calls it got."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.wireshark.desk import Desk

LIST = "extcap {version=1.0}{display=Example}\n"
INTERFACE = "interface {{value={value}}}{{display={display}}}\n"
DLT = "dlt {number=1}{name=EN10MB}{display=Ethernet}\n"


def listing(*values: str) -> str:
    """The list answer for these interfaces; each one's display is `Example VALUE`."""
    return LIST + "".join(INTERFACE.format(value=value, display=f"Example {value}") for value in values)


@dataclass(frozen=True)
class Settings:
    """Answers as text, the exit status of the list call, and a capture: packets, words on stderr, then wait or end."""

    interfaces: str = listing("example-1", "example-2")
    config: str = ""
    dlts: str = DLT
    status: int = 0
    packets: int = 3
    stderr: str = ""
    hold: bool = True


@dataclass(frozen=True)
class Example:
    desk: Desk

    @property
    def _log(self) -> Path:
        return self.desk.home / "calls"

    def install(self, settings: Settings) -> None:
        program = self.desk.checkout / "testbed/wireshark/example_extcap.py"
        said = self.desk.write("settings.json", json.dumps({"log": str(self._log), **asdict(settings)}))
        line = shlex.join([str(self.desk.room.python), "-I", "-S", str(program), str(said)])
        self.desk.install(f'#!/bin/sh\nexec {line} "$@"\n', name="example")

    def calls(self, word: str = "") -> list[list[str]]:
        """The arguments of every call, in order of time; only those that hold `word`, if given."""
        if not self._log.exists():
            return []
        calls: list[list[str]] = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [call for call in calls if not word or word in call]

    def captured(self) -> list[str]:
        """The arguments of the only capture, without those that the host always passes."""
        (argv,) = self.calls("--capture")
        return _without(argv, {"--capture": 0, "--extcap-interface": 1, "--fifo": 1})

    def forget(self) -> None:
        self._log.unlink(missing_ok=True)


def _without(argv: list[str], dropped: dict[str, int]) -> list[str]:
    words = iter(argv)
    kept = []
    for word in words:
        if word in dropped:
            for _ in range(dropped[word]):
                next(words)
        else:
            kept.append(word)
    return kept
