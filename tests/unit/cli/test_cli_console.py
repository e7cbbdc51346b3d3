"""What people read was partly written by others: clusters, registries, pods."""

from __future__ import annotations

import pytest

from k8s_extcap.cli import console

HOSTILE = "web [/b] [red]x :id: \x1b[31m\x9b2J\x07\r"
HARMLESS = "web [/b] [red]x :id:  [31m 2J"


def test_a_line_is_printed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(HOSTILE)
    console.show(HOSTILE)
    printed = capsys.readouterr()
    assert printed.err.rstrip() == HARMLESS
    assert printed.out.rstrip() == HARMLESS


def test_a_table_shows_words_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    made = console.table("STATE")
    made.add_row(console.plain(HOSTILE))
    console.out.print(made)
    assert "[/b] [red]x :id:" in capsys.readouterr().out
