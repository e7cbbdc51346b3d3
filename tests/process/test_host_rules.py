"""What the product is built on, asked again of each real host: who is called, when, and with which arguments."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from testbed.wireshark.example import Example, Settings, listing
from testbed.wireshark.tshark import Tshark, end, interrupt

OPTIONS = """\
arg {number=0}{call=--text}{display=Text}{type=string}{default=some words}
arg {number=1}{call=--empty}{display=Empty}{type=string}
arg {number=2}{call=--number}{display=Number}{type=integer}{default=3}
arg {number=3}{call=--flag}{display=Flag}{type=boolflag}{default=false}
arg {number=4}{call=--flag-on}{display=Flag on}{type=boolflag}{default=true}
arg {number=5}{call=--pick}{display=Pick}{type=selector}
arg {number=6}{call=--temporary}{display=Temporary}{type=string}{default=kept}{save=false}
value {arg=5}{value=one}{display=One}{default=true}
value {arg=5}{value=two}{display=Two}
"""
PREFIX = "extcap.example_1"


Install = Callable[..., Example]
Live = tuple[Example, "subprocess.Popen[str]"]


@pytest.fixture
def host(tshark: Tshark) -> Tshark:
    """In a network without anything but lo: containers coming and going on the machine would spoil the counts."""
    return Tshark(replace(tshark.desk, offline=True))


@pytest.fixture
def example(host: Tshark) -> Install:
    def install(**settings: object) -> Example:
        installed = Example(host.desk)
        installed.install(Settings(**settings))  # type: ignore[arg-type]  # each test names fields of Settings
        return installed

    return install


def names(host: Tshark) -> list[str]:
    """The interface values that `tshark -D` prints for the example, in its order."""
    done = host.run("-D")
    assert done.returncode == 0, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines() if "(Example " in line]


def test_a_list_is_one_call_and_one_more_per_interface(host: Tshark, example: Install) -> None:
    tool = example(interfaces=listing("a", "b", "c"))
    assert names(host) == ["a", "b", "c"]
    assert len(tool.calls()) == 1 + 3
    assert tool.calls("--extcap-interfaces") == [["--extcap-interfaces", f"--extcap-version={host.version}"]]
    asked = sorted(argv[argv.index("--extcap-interface") + 1] for argv in tool.calls("--extcap-config"))
    assert asked == ["a", "b", "c"]


def test_reading_a_file_calls_nobody_and_any_capture_lists_all(host: Tshark, example: Install) -> None:
    tool = example()
    assert host.run("--version").returncode == 0
    assert tool.calls() == []
    host.run("-i", "lo", "-c", "1", "-a", "duration:1")  # refused for want of rights, after the list
    assert len(tool.calls()) == 1 + 2


def test_a_capture_asks_its_own_interface_once_more(host: Tshark, example: Install) -> None:
    tool = example()
    done = host.run("-i", "example-1", "-c", "3")
    assert done.stdout.count("192.0.2.1") == 3, done.stderr
    counts = {call: len(tool.calls(call)) for call in ("--extcap-interfaces", "--extcap-config", "--capture")}
    assert counts == {"--extcap-interfaces": 1, "--extcap-config": 2 + 1, "--capture": 1}


def test_link_types_cost_one_call(host: Tshark, example: Install) -> None:
    tool = example()
    assert "EN10MB" in host.run("-L", "-i", "example-1").stdout
    assert len(tool.calls("--extcap-dlts")) == 1


def test_rows_are_sorted_by_value_whatever_we_print(host: Tshark, example: Install) -> None:
    example(interfaces=listing("c-2", "a-1", "c.1", "b_0"))
    assert names(host) == sorted(["c-2", "a-1", "c.1", "b_0"])


def test_a_list_that_fails_is_asked_twice_and_vanishes(host: Tshark, example: Install) -> None:
    tool = example(status=1)
    assert names(host) == []
    assert tool.calls() == [["--extcap-interfaces", f"--extcap-version={host.version}"], ["--extcap-interfaces"]]


def test_without_a_global_folder_no_extcap_runs(host: Tshark, example: Install) -> None:
    tool = example()
    gone = {"WIRESHARK_EXTCAP_DIR": str(host.desk.case / "never-made")}
    assert "(Example " not in host.run("-D", env=gone).stdout
    assert tool.calls() == []


@pytest.mark.parametrize("call", ["--Upper", "--with:colon"])
def test_a_call_that_is_no_preference_name_aborts_the_host(host: Tshark, example: Install, call: str) -> None:
    example(config=f"arg {{number=0}}{{call={call}}}{{display=Bad}}{{type=string}}\n")
    assert host.run("-D").returncode in (-signal.SIGABRT, -signal.SIGTRAP)


def test_editselector_came_after_4_0(host: Tshark, example: Install) -> None:
    tool = example(
        config="arg {number=0}{call=--edit}{display=Edit}{type=editselector}\n"
        "value {arg=0}{value=first}{display=First}{default=true}\n"
    )
    assert names(host) == ["example-1", "example-2"]
    done = host.run("-i", "example-1", "-c", "1", "-o", f"{PREFIX}.edit:mine")
    if host.version == "4.0":
        assert "invalid type editselector" in done.stdout  # among the packets
        assert tool.captured() == []
    else:
        assert "editselector" not in done.stdout
        assert tool.captured() == ["--edit", "mine"]


def test_tshark_sends_its_defaults_but_never_a_selectors_nor_a_temporary(host: Tshark, example: Install) -> None:
    tool = example(config=OPTIONS)
    host.run("-i", "example-1", "-c", "1")
    assert tool.captured() == ["--text", "some words", "--number", "3", "--flag-on"]


def test_options_set_with_o_are_all_sent(host: Tshark, example: Install) -> None:
    tool = example(config=OPTIONS)
    chosen = [f"{PREFIX}.{pair}" for pair in ("text:x {y}", "flag:true", "flagon:false", "pick:two", "number:7")]
    host.run("-i", "example-1", "-c", "1", *(word for pair in chosen for word in ("-o", pair)))
    assert tool.captured() == ["--text", "x {y}", "--number", "7", "--flag", "--pick", "two"]


def test_a_temporary_option_cannot_be_set_with_o(host: Tshark, example: Install) -> None:
    tool = example(config=OPTIONS)
    done = host.run("-i", "example-1", "-c", "1", "-o", f"{PREFIX}.temporary:x")
    assert (done.returncode, tool.calls("--capture")) == (1, [])
    assert f"{PREFIX}.temporary" in done.stderr


def test_dash_and_dot_share_their_stored_options(host: Tshark, example: Install) -> None:
    tool = example(interfaces=listing("a-b", "a.b"), config=OPTIONS)
    host.run("-i", "a.b", "-c", "1", "-o", "extcap.a_b.number:9")
    assert tool.captured()[2:4] == ["--number", "9"]


@pytest.mark.parametrize(
    "spelling",
    [
        ["-iexample-1"],
        ["-qniexample-1"],
        ["--interface=example-1"],
        ["-i", "EXAMPLE-1"],
        ["-i", "Example example-1"],
    ],
)
def test_every_spelling_of_an_interface(host: Tshark, example: Install, spelling: list[str]) -> None:
    tool = example()
    host.run(*spelling, "-c", "1")
    (argv,) = tool.calls("--capture")
    assert argv[argv.index("--extcap-interface") + 1] == "example-1"


def test_an_interface_by_its_number(host: Tshark, example: Install) -> None:
    tool = example()
    row = next(line for line in host.run("-D").stdout.splitlines() if "(Example example-2)" in line)
    host.run("-i", row.split(".")[0], "-c", "1")
    (argv,) = tool.calls("--capture")
    assert argv[argv.index("--extcap-interface") + 1] == "example-2"


def test_any_filter_text_is_passed_unchecked(host: Tshark, example: Install) -> None:
    tool = example()
    host.run("-i", "example-1", "-c", "1", "-f", "no filter at all; (")
    assert tool.captured() == ["--extcap-capture-filter", "no filter at all; ("]


def test_the_longest_name(host: Tshark, example: Install) -> None:
    limit = 232 if host.version == "4.0" else 231
    longest = "n" * limit
    tool = example(interfaces=listing(longest).replace(f"Example {longest}", "Example long"))
    done = host.run("-i", longest, "-c", "1")
    assert ("192.0.2.1" in done.stdout, len(tool.calls("--capture"))) == (True, 1)
    tool.forget()
    tool = example(interfaces=listing(longest + "n").replace(f"Example {longest}n", "Example long"))
    assert "Unable to init extcaps" in host.run("-i", longest + "n", "-c", "1").stderr
    assert tool.calls("--capture") == []


def test_words_on_stderr_are_the_error_and_the_packets_stay(host: Tshark, example: Install) -> None:
    sentence = "The pod is gone."
    tool = example(stderr=sentence + "x" * 2000, hold=False)
    done = host.run("-i", "example-1")
    assert len(tool.calls("--capture")) == 1
    assert sentence in done.stderr
    shown = done.stderr[done.stderr.index(sentence) :].count("x")
    assert 900 < shown < 1024  # the first 1,024 bytes of it
    assert done.stdout.count("192.0.2.1") == 3
    assert done.returncode == 0


@pytest.fixture
def live(host: Tshark, example: Install) -> Iterator[Live]:
    """A capture that has shown its packets and now waits."""
    tool = example(packets=3)
    process = host.start("-l", "-i", "example-1")
    try:
        assert process.stdout
        for _ in range(3):
            assert "192.0.2.1" in process.stdout.readline()
        yield tool, process
    finally:
        end(process)


def test_a_signal_to_tshark_alone_ends_us_with_sigterm(live: Live, host: Tshark) -> None:
    tool, process = live
    process.terminate()
    process.communicate(timeout=20)
    assert tool.calls(f"signal {signal.SIGTERM:d}") == [["signal 15"]]
    assert list(host.desk.scratch.glob("*extcap*")) == []  # the FIFO


def test_ctrl_c_reaches_us_directly_and_through_tshark(live: Live) -> None:
    tool, process = live
    interrupt(process)
    process.communicate(timeout=20)
    assert tool.calls("signal 2") == [["signal 2"]]
    assert tool.calls("signal 15") == [["signal 15"]]
