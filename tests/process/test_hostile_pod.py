"""A pod that means harm, on the demo cluster, whose pods run real processes.

Each time: less than 150 MB and one core, no file outside our folders, nothing that a terminal obeys in stderr, log or
capture, and an end with one sentence, or a bound (`Watched.over` holds all of it).
"""

from __future__ import annotations

import base64
import struct
import time
from pathlib import Path

import pytest

from k8s_extcap.model import errors
from testbed.demo.cluster import DemoCluster
from testbed.wait import until
from tests.process.inpod import SENDER, plant, put, shell
from tests.process.watched import Watched, comments

pytestmark = [pytest.mark.demo, pytest.mark.slow]

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
RATE = 20_000_000  # bytes a second, the ceiling as it is set


def record(data: bytes, length: int = -1) -> bytes:
    size = len(data) if length < 0 else length
    return struct.pack("<IIII", 1_700_000_000, 5, size, size) + data


def data_in(own: DemoCluster, file: str, content: bytes) -> str:
    """A file with these bytes in the pod."""
    shell(own, 'printf %s "$2" | base64 -d >"$1"', file, base64.b64encode(content).decode())
    return file


@pytest.fixture
def lane(own: DemoCluster, tmp_path: Path) -> Watched:
    return Watched(tmp_path / "own", own.kubeconfig)


def capture(lane: Watched, own: DemoCluster, name: str, body: str, *, after: float = 0.0) -> tuple[int, str]:
    program = plant(own, name, body)
    return lane.over(lane.go(SENDER.interface, "--method", "resident", "--tcpdump", program), after=after)


# Packets

# A file of a megabyte that repeats another.
DOUBLE = """cat "$1" >"$2"; while [ $(stat -c %s "$2") -lt 1000000 ]; do cat "$2" "$2" >"$2.x"; mv "$2.x" "$2"; done"""


@pytest.mark.parametrize("size", [0, 1400], ids=["empty packets", "full packets"])
def test_a_flood_of_packets_is_held_at_the_ceiling(own: DemoCluster, lane: Watched, size: int) -> None:
    start = data_in(own, "/tmp/start", HEADER)
    data_in(own, "/tmp/one", record(bytes(size)))
    shell(own, DOUBLE, "/tmp/one", "/tmp/flood")
    began = time.monotonic()
    code, said = capture(lane, own, "floods", f"cat {start}; while :; do cat /tmp/flood; done", after=4)
    assert (code, said) == (0, "")
    # After the stop what is left is read without the ceiling, for as long as an end takes.
    assert 1_000_000 < lane.octets < 2 * RATE * (time.monotonic() - began + 2)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFF0, 0x7FFFFFFF, 262145])
def test_a_packet_of_four_gigabytes_ends_it(own: DemoCluster, lane: Watched, length: int) -> None:
    file = data_in(own, f"/tmp/large-{length}", HEADER + record(b"abc") * 3 + record(b"", length))
    code, said = capture(lane, own, "large", f"cat {file}; while :; do cat /dev/zero; done")
    assert code == errors.StreamError.exit_code
    assert f"a packet of {length} bytes" in said
    assert lane.received.count(b"abc") == 3  # what was whole is in the file


def test_zeros_instead_of_packets_go_nowhere(own: DemoCluster, lane: Watched) -> None:
    start = data_in(own, "/tmp/start", HEADER)
    code, said = capture(lane, own, "zeros", f"cat {start} /dev/zero", after=3)
    assert (code, said) == (0, "")  # a packet of no bytes from 1970 is one


def test_no_capture_at_all_ends_it(own: DemoCluster, lane: Watched) -> None:
    code, said = capture(lane, own, "random", r"printf '\033]0;owned\007\033[2J'; cat /dev/urandom")
    assert code == errors.RemoteError.exit_code
    assert "is no capture" in said


# Words


FLOODS = {
    "lines": "yes 'tcpdump: something is wrong' >&2",
    "one line": r"tr '\000' x </dev/zero >&2",
    "escapes": r"""while :; do printf '\033]0;owned\007\033[2J\233\n'; done >&2""",
    "statistics": "yes '4242424242 packets dropped by kernel' >&2",
    "guard": "yes 'k8s-extcap: need -' >&2",
    "ready": "yes 'k8s-extcap: ready' >&2",
    "interface": r"""yes "$(printf 'helper: interface \033[31meth0')" >&2""",
    "nothing": "yes '' >&2",
}


@pytest.mark.parametrize("kind", FLOODS)
def test_endless_words_end_it(own: DemoCluster, lane: Watched, kind: str) -> None:
    code, said = capture(lane, own, f"words-{kind.replace(' ', '-')}", FLOODS[kind])
    assert code == errors.RemoteError.exit_code
    assert "on standard error" in said
    assert len(lane.log()) < 100_000


def test_forged_words_of_the_guard_change_nothing(own: DemoCluster, lane: Watched) -> None:
    words = ["ready", "need /etc/shadow", "bad /x", "rc=0", "rc=99999999999999999999", "rc=²", "rc="]
    script = data_in(own, "/tmp/forged", "".join(f"k8s-extcap: {word}\n" for word in words).encode())
    shell(own, "yes 'k8s-extcap: need -' | head -n 1000 >>/tmp/forged")
    start = data_in(own, "/tmp/start", HEADER + record(b"abc"))
    code, said = capture(lane, own, "forges", f"cat {script} >&2; cat {start}; sleep 3; cat {script} >&2; exit 3")
    assert code in (errors.RemoteError.exit_code, errors.StreamError.exit_code)
    assert said
    assert b"abc" in lane.received


def test_escapes_go_nowhere_while_it_captures(own: DemoCluster, lane: Watched) -> None:
    said_there = rb"""\033]0;owned\007 \033[2J \302\233 \342\200\256 \377"""
    start = data_in(own, "/tmp/start", HEADER + record(b"abc"))
    body = (
        f"printf 'tcpdump: {said_there.decode()}\\nhelper: interface \\033[31mx\\n"
        f"7 packets dropped by kernel {said_there.decode()}\\n' >&2; cat {start}; sleep 100"
    )
    code, said = capture(lane, own, "escapes", body, after=3)
    assert code == 0
    assert "\x1b" not in said
    assert comments(lane.received)
    assert "owned" in lane.log()  # it was said, as plain text


# Programs that do not end


def test_a_tcpdump_that_ignores_every_signal_is_ended_after_a_stop(own: DemoCluster, lane: Watched) -> None:
    start = data_in(own, "/tmp/start", HEADER)
    body = f"""trap '' INT TERM HUP USR1 USR2 PIPE; cat {start}; while :; do sleep 1; done"""
    code, said = capture(lane, own, "stays-here", body, after=3)
    assert (code, said) == (0, "")
    count = "n=0; for f in /proc/[0-9]*/cmdline; do grep -qa stays-[h]ere $f && n=$((n+1)); done 2>/dev/null; echo $n"
    assert until(lambda: shell(own, count).strip() == b"0", 30)


def test_a_tcpdump_whose_child_holds_the_stream_ends_it_all_the_same(own: DemoCluster, lane: Watched) -> None:
    start = data_in(own, "/tmp/start", HEADER + record(b"abc"))
    code, said = capture(lane, own, "forks", f"cat {start}; sleep 300 & exit 4")
    assert code in (errors.RemoteError.exit_code, errors.StreamError.exit_code)
    assert said


def test_a_tcpdump_that_sends_nothing_ends_with_the_waiting_time(own: DemoCluster, lane: Watched) -> None:
    program = plant(own, "silent", "exec sleep 300")
    words = ("--method", "resident", "--tcpdump", program, "--wait", "3", "--timeout", "3")
    code, said = lane.over(lane.go(SENDER.interface, *words))
    assert code == errors.StreamError.exit_code
    assert said


def test_what_is_put_there_is_what_runs(own: DemoCluster) -> None:
    """The stand-ins of this file do what they say: else nothing here would be a test."""
    assert shell(own, put(own, "/tmp/says", "#!/bin/sh\necho said")) == b"said\n"
