"""The tcpdump that is uploaded, as built, in namespaces of our own: nothing is lost, whatever is done to it."""

import os
import platform
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

import pytest

from payload.build import built
from payload.compile import TOOLS
from testbed.truth.capture import Capture
from testbed.truth.files import frames
from testbed.truth.launch import Flow, Running, send, sink
from testbed.truth.ledger import Expected
from testbed.truth.link import Link
from testbed.truth.oracle import Report, judge

pytestmark = pytest.mark.slow

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SNAP_IS_ALL = 65535


@pytest.fixture(scope="session")
def tcpdump() -> str:
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"The payload cannot be built without {', '.join(lacking)}.")
    return str(built(ARCH) / "tcpdump")


def capture(link: Link, tcpdump: str, *more: str) -> Capture:
    options = ["-n", "-p", "-U", "-U", "-B", "16384", "-i", link.device, "-w", "-"]
    return Capture([*link.inside_near(), tcpdump, *options, *more, "port", "9"])


def judged(taken: Capture, sent: dict[int, int]) -> Report:
    return judge(taken.chunks, {flow: Expected(sent=count) for flow, count in sent.items()})


def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)


def test_it_tells_that_it_is_ours(tcpdump: str) -> None:
    said = run([tcpdump, "--version"]).stdout
    assert re.match(r"tcpdump version 4\.\d+\.\d+\+k8s-extcap\.\d+\nlibpcap version \S+ \(with TPACKET_V3\)\n", said)


def test_a_filter_is_compiled_without_a_device(tcpdump: str) -> None:
    done = run([tcpdump, "-d", "tcp", "port", "80"])
    assert done.returncode == 0
    assert done.stdout.startswith("(000) ldh      [12]\n")
    assert run([tcpdump, "-y", "LINUX_SLL2", "-dd", "ifindex 3"]).stdout.startswith("{ 0x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "tcp prot 80"], "can't parse filter expression: syntax error"),
        pytest.param(
            ["-i", "nosuch0", "-w", "-"],
            "nosuch0: No such device exists",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="a socket for packets needs root"),
        ),
        (["--block-timeout", "0", "-w", "-"], "invalid block timeout 0 (1 to 60000 milliseconds)"),
        (["--block-timeout", "5x", "-w", "-"], "invalid block timeout 5x (1 to 60000 milliseconds)"),
        (["--block-timeout=99999999999999999999", "-w", "-"], "invalid block timeout"),
    ],
)
def test_refusals_are_said_on_standard_error(tcpdump: str, arguments: list[str], said: str) -> None:
    done = run([tcpdump, *arguments])
    assert done.returncode != 0
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("block_timeout", ["1", "10", "200"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_what_was_sent_before_the_stop_is_there(
    tcpdump: str, truth_link: Link, block_timeout: str, ending: signal.Signals
) -> None:
    """Stop directly after the last packet, whatever the phase of the block timer."""
    for attempt in range(8):
        with capture(truth_link, tcpdump, "--block-timeout", block_timeout) as taken:
            reader = taken.read()
            count = 200 + 37 * attempt
            if ending == signal.SIGINT:
                flow = Flow("udp", truth_link.far4, rate=5000, messages=count, stop=taken.process.pid)
                send(flow, truth_link.inside_near())
            else:
                send(Flow("udp", truth_link.far4, rate=5000, messages=count), truth_link.inside_near())
                taken.stop(ending)
            said = taken.said()
            reader.join()
        assert judged(taken, {1: count}).clean
        assert (said.captured, said.dropped, taken.process.returncode) == (count, 0, 0)


def test_three_flows_at_once_lose_nothing(tcpdump: str, truth_link: Link) -> None:
    flows = [
        Flow("udp", truth_link.far4, rate=20000, messages=20000, number=1),
        Flow("tcp", truth_link.far4, rate=8000, messages=8000, size=1400, batch=40, number=2),
        Flow("udp", truth_link.far6, rate=2000, messages=2000, size=1000, number=3),
        Flow("tcp", truth_link.far6, rate=1000, messages=1000, size=700, number=4),
    ]
    with sink(9, truth_link.inside_far()) as sunk:
        with capture(truth_link, tcpdump) as taken:
            reader = taken.read()
            for running in [Running(flow, truth_link.inside_near()) for flow in flows]:
                running.wait()
            usage = taken.usage()
            taken.stop()
            said = taken.said()
            reader.join()
        report = judged(taken, {flow.number: flow.messages for flow in flows})
        assert report.clean
        assert said.captured == report.frames
        assert said.dropped == 0
        # one flush for a block, not one for a packet (which would be a write for each frame)
        assert usage.writes < report.frames / 10
        longest = max(len(frame.data) for frame in frames(taken.chunks))
        assert 1514 < longest <= SNAP_IS_ALL + 14, "a TCP flow gives super-frames, and they are stored whole"
    assert sunk.result is not None
    assert sunk.result.datagrams == 22000
    assert sunk.result.stream_bytes == 8000 * 1400 + 1000 * 700


def test_statistics_are_told_as_often_as_asked_and_break_nothing(tcpdump: str, truth_link: Link) -> None:
    """USR1 and USR2 without a pause: each handler that touched a stream would sooner or later tear a record."""
    with capture(truth_link, tcpdump) as taken:
        reader = taken.read()
        running = Running(Flow("udp", truth_link.far4, rate=30000, messages=45000), truth_link.inside_near())
        while running.process.poll() is None:
            taken.stop(signal.SIGUSR1)
            taken.stop(signal.SIGUSR2)
            time.sleep(0.0005)
        running.wait()
        taken.stop()
        said = taken.said()
        reader.join()
    assert judged(taken, {1: 45000}).clean
    lines = re.findall(r"(?m)^tcpdump: (\d+) packets captured, .*$", said.text)
    assert len(lines) > 50
    assert [int(line) for line in lines] == sorted(map(int, lines))
    strange = [line for line in said.text.splitlines()[1:] if "packet" not in line]
    assert strange == []


def test_an_idle_capture_answers_for_its_statistics(tcpdump: str, truth_link: Link) -> None:
    with capture(truth_link, tcpdump) as taken:
        reader = taken.read()
        taken.stop(signal.SIGUSR1)
        line = taken.wait_for(r"packets captured,")
        assert line == "tcpdump: 0 packets captured, 0 packets received by filter, 0 packets dropped by kernel\n"
        taken.stop()
        assert taken.said().captured == 0
        reader.join()
    assert len(b"".join(chunk.data for chunk in taken.chunks)) == 24


def test_a_stop_while_the_reader_is_slow_tears_no_record(tcpdump: str, truth_link: Link) -> None:
    """The signal finds tcpdump blocked in write(2): stock stdio would drop its buffer in the middle of a packet."""
    with capture(truth_link, tcpdump) as taken:
        send(Flow("udp", truth_link.far4, rate=20000, messages=4000, size=1000), truth_link.inside_near())
        time.sleep(0.3)  # the pipe (64 KiB) is full and the writer asleep by now
        for _ in range(5):
            taken.stop(signal.SIGUSR1)
            taken.stop()
            time.sleep(0.02)
        reader = taken.read()
        said = taken.said()
        reader.join()
    report = judged(taken, {1: 4000})
    assert report.broken is None
    assert report.flows[1].missing == 0
    assert (said.captured, taken.process.returncode) == (4000, 0)


def test_packets_after_the_stop_are_left_out(tcpdump: str, truth_link: Link) -> None:
    """However fast they come, they do not keep it alive."""
    running = Running(Flow("udp", truth_link.far4, rate=50000), truth_link.inside_near())
    try:
        with capture(truth_link, tcpdump) as taken:
            reader = taken.read()
            time.sleep(0.3)
            taken.stop()
            taken.said()
            reader.join()
    finally:
        running.stop()
    report = judge(taken.chunks, default=Expected(first=None))
    assert report.flows[1].expected > 1000
    assert report.clean


def test_a_count_is_exact(tcpdump: str, truth_link: Link) -> None:
    with capture(truth_link, tcpdump, "-c", "150") as taken:
        reader = taken.read()
        send(Flow("udp", truth_link.far4, rate=20000, messages=2000), truth_link.inside_near())
        assert taken.said().captured == 150
        reader.join()
    assert (judged(taken, {1: 150}).flows[1].missing, taken.process.returncode) == (0, 0)


def test_a_reader_that_goes_away_ends_it(tcpdump: str, truth_link: Link) -> None:
    running = Running(Flow("udp", truth_link.far4, rate=1000), truth_link.inside_near())
    try:
        with capture(truth_link, tcpdump) as taken:
            assert taken.process.stdout is not None
            taken.process.stdout.close()
            taken.said()
            assert taken.process.returncode == 0
    finally:
        running.stop()


def test_without_the_second_u_it_is_stock(tcpdump: str, truth_link: Link) -> None:
    options = ["-n", "-p", "-U", "-i", truth_link.device, "-w", "-", "port", "9"]
    with Capture([*truth_link.inside_near(), tcpdump, *options]) as taken:
        reader = taken.read()
        send(Flow("udp", truth_link.far4, rate=5000, messages=5000), truth_link.inside_near())
        time.sleep(0.3)  # stock tcpdump loses what is in the ring at the stop
        usage = taken.usage()
        taken.stop()
        taken.said()
        reader.join()
    assert judged(taken, {1: 5000}).clean
    assert usage.writes >= 5000
