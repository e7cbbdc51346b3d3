"""The driver of the window, against an extcap that records what it was asked."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from testbed.wireshark.example import Example, Settings, listing
from testbed.wireshark.fixtures import Gui
from testbed.wireshark.widgets import ProgramEndedError

CONFIG = """\
arg {number=0}{call=--text}{display=Text}{type=string}{default=some words}{group=First}
arg {number=1}{call=--number}{display=Number}{type=integer}{default=3}{group=First}
arg {number=2}{call=--flag}{display=Flag}{type=boolflag}{default=false}{group=Second}
arg {number=3}{call=--pick}{display=Pick}{type=selector}{group=Second}{reload=true}
arg {number=4}{call=--radio}{display=Radio}{type=radio}{group=Second}
arg {number=5}{call=--temporary}{display=Temporary}{type=string}{default=kept}{save=false}{group=Second}
value {arg=3}{value=one}{display=Entry one}{default=true}
value {arg=3}{value=two}{display=Entry two}
value {arg=3}{value=three}{display=Entry three}
value {arg=4}{value=left}{display=To the left}{default=true}
value {arg=4}{value=right}{display=To the right}
"""
ROW = "Example example-1: example-1"


@pytest.fixture
def gui(gui: Gui) -> Gui:
    """In a network with nothing but lo: a container that comes or goes makes Wireshark ask again."""
    return gui.offline()


def install(gui: Gui, **settings: object) -> Example:
    tool = Example(gui.desk)
    tool.install(Settings(**settings))  # type: ignore[arg-type]  # each test names fields of Settings
    return tool


def pairs(argv: list[str]) -> dict[str, str]:
    """Options of an argument list; a flag has no value."""
    found: dict[str, str] = {}
    for word in argv:
        if word.startswith("--"):
            found[word] = ""
            last = word
        else:
            found[last] = word
    return found


def test_the_list_shows_every_row_and_costs_one_call_and_two_per_interface(gui: Gui) -> None:
    tool = install(gui, interfaces=listing("a", "b", "c"))
    window = gui.open()
    window.wait_for_row("c")
    assert [row for row in window.rows() if row.startswith("Example ")] == [f"Example {n}: {n}" for n in "abc"]
    window.screen.wait("last call", lambda _: len(tool.calls("--extcap-dlts")) == 3)
    counts = {call: len(tool.calls(f"--extcap-{call}")) for call in ("interfaces", "config", "dlts")}
    assert counts == {"interfaces": 1, "config": 3, "dlts": 3}


def test_a_row_far_down_is_scrolled_to(gui: Gui) -> None:
    tool = install(gui, interfaces=listing(*(f"pod-{number:02}" for number in range(60))))
    window = gui.open()
    window.wait_for_row("pod-59")
    window.start("pod-59")
    assert window.wait_for_packets(3) == 3
    (argv,) = tool.calls("--capture")
    assert argv[argv.index("--extcap-interface") + 1] == "pod-59"


def test_a_double_click_captures_and_the_square_stops(gui: Gui) -> None:
    tool = install(gui, packets=5)
    window = gui.open()
    window.wait_for_row(ROW)
    window.start(ROW)
    assert window.wait_for_packets(5) == 5
    assert [row[2] for row in window.packet_rows(5)] == ["192.0.2.1"] * 5
    assert window.capturing()
    window.stop()
    assert not window.capturing()
    assert window.packets() == 5
    assert tool.calls("signal 15") == [["signal 15"]]


def test_the_fin_starts_the_same_again(gui: Gui) -> None:
    tool = install(gui)
    window = gui.open()
    window.wait_for_row(ROW)
    window.start(ROW)
    window.wait_for_packets(3)
    window.stop()
    window.press_start()
    window.screen.wait("second capture", lambda _: len(tool.calls("--capture")) == 2)
    assert window.wait_for_packets(3) == 3
    first, second = (pairs(argv) for argv in tool.calls("--capture"))
    assert first.pop("--fifo") != second.pop("--fifo")
    assert first == second


def test_two_selected_rows_are_captured_together(gui: Gui) -> None:
    tool = install(gui)
    window = gui.open()
    window.wait_for_row(ROW)
    window.select("example-1", "example-2")
    window.press_start()
    assert window.wait_for_packets(6) == 6
    asked = [argv[argv.index("--extcap-interface") + 1] for argv in tool.calls("--capture")]
    assert sorted(asked) == ["example-1", "example-2"]


def test_k_and_i_start_at_once(gui: Gui) -> None:
    install(gui, packets=4)
    window = gui.open("-k", "-i", "example-1")
    assert window.wait_for_packets(4) == 4


def test_values_of_the_dialog_reach_the_command_line(gui: Gui) -> None:
    once = {} if gui.version == "4.2" else {"Temporary": "for once"}  # 4.2 dies of it: wireshark/parent.py
    tool = install(gui, config=CONFIG if once else re.sub("arg .*{save=false}.*\n", "", CONFIG))
    window = gui.open()
    window.wait_for_row(ROW)
    dialog = window.open_options(ROW)
    assert dialog.groups() == ["First", "Second"]
    assert dialog.value("Text") == "some words"
    assert dialog.choices("Pick") == ["Entry one", "Entry two", "Entry three"]
    chosen = {"Text": "a {b} 'c'", "Number": "42", "Flag": "on", "Pick": "Entry three", "Radio": "To the right"}
    for label, value in {**chosen, **once}.items():
        dialog.set(label, value)
    dialog.save()
    window.start(ROW)
    assert pairs(tool.captured()) == {
        "--text": "a {b} 'c'",
        "--number": "42",
        "--flag": "",
        "--pick": "three",
        "--radio": "right",
        **({"--temporary": "for once"} if once else {}),
    }


def test_leaving_the_dialog_changes_nothing(gui: Gui) -> None:
    tool = install(gui, config=CONFIG)
    window = gui.open()
    window.wait_for_row(ROW)
    dialog = window.open_options(ROW)
    dialog.set("Text", "never used")
    dialog.leave()
    window.start(ROW)
    assert pairs(tool.captured())["--text"] == "some words"


def test_reload_asks_for_new_choices(gui: Gui) -> None:
    tool = install(gui, config=CONFIG)
    window = gui.open()
    window.wait_for_row(ROW)
    dialog = window.open_options(ROW)
    dialog.value("Pick")
    dialog.press("Reload data", beside="Pick")
    window.screen.wait("reload", lambda _: tool.calls("--extcap-reload-option"))
    (argv,) = tool.calls("--extcap-reload-option")
    assert argv[argv.index("--extcap-reload-option") + 1] == "pick"


def test_words_on_stderr_become_the_error_dialog(gui: Gui) -> None:
    sentence = "The pod shop/web-1 is gone; three others of its Deployment run."
    install(gui, stderr=sentence, hold=False)
    window = gui.open()
    window.wait_for_row(ROW)
    window.start(ROW)
    said = window.wait_for_error()
    assert sentence in said
    window.dismiss()
    window.wait_for_end()
    assert (window.error(), window.packets()) == (None, 3)


def test_each_key_of_a_filter_is_one_call_unless_4_6_types_fast(gui: Gui) -> None:
    tool = install(gui)
    window = gui.open()
    window.wait_for_row(ROW)
    window.select(ROW)
    before = len(tool.calls("--extcap-capture-filter"))
    window.filter("port 80")
    window.screen.wait("filter check", lambda _: tool.calls("port 80"))
    assert len(tool.calls("--extcap-capture-filter")) - before >= (1 if gui.version == "4.6" else len("port 80"))


def test_f5_asks_again(gui: Gui) -> None:
    tool = install(gui, interfaces=listing("old"))
    window = gui.open()
    window.wait_for_row("old")
    tool.install(Settings(interfaces=listing("new")))
    window.rescan()
    assert window.wait_for_row("new") == "Example new: new"


def test_options_with_and_without_a_group_do_not_mix(gui: Gui) -> None:
    """Every version dies of it when the dialog opens: each option of ours needs a group."""
    config = "".join(line.replace("{group=Second}", "") + "\n" for line in CONFIG.splitlines())
    install(gui, config=config)
    window = gui.open()
    window.wait_for_row(ROW)
    with pytest.raises(ProgramEndedError):
        window.open_options(ROW)
    assert window.process.returncode == -signal.SIGSEGV


def test_a_picture_is_a_png_of_the_whole_screen(gui: Gui, tmp_path: Path) -> None:
    install(gui)
    window = gui.open()
    window.wait_for_row(ROW)
    png = window.picture(tmp_path / "list.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n")
    assert tuple(int.from_bytes(png[at : at + 4], "big") for at in (16, 20)) == (1280, 800)
