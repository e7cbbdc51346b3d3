"""A stream that is cut goes on by itself: the same file, the gap in it. On the demo cluster, which cuts on request."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.truth.whole import ends_whole
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.stage import Stage, sentence_of

pytestmark = [pytest.mark.demo, pytest.mark.tshark]

CUT = Fault(Kind.RESET, path="/exec", skip=1, times=1, bytes=3000)  # the first exec is the look into the container


@pytest.fixture(scope="module")
def own(demo_factory: Callable[..., AbstractContextManager[DemoCluster]]) -> Iterator[DemoCluster]:
    with demo_factory() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def no_faults(own: DemoCluster) -> Iterator[None]:
    yield
    own.clear_faults()


class Done(NamedTuple):
    code: int
    said: str
    log: str


def capture(own: DemoCluster, home: Path, target: str, *options: str, write: str = "out.pcapng") -> Done:
    words = ["capture", target, "--log-level", "info", *options, "-w", str(home / write)]
    done = subprocess.run(
        [sys.executable, "-m", "k8s_extcap", *words],
        env={**os.environ, "K8S_EXTCAP_HOME": str(home), "KUBECONFIG": str(own.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    log = home / "state/log/k8s-extcap.log"
    return Done(done.returncode, done.stderr, log.read_text() if log.exists() else "")


def fields(tshark: Tshark, file: Path, *names: str) -> list[list[str]]:
    words = [word for name in names for word in ("-e", name)]
    done = subprocess.run(
        ["tshark", "-r", str(file), "-T", "fields", *words], capture_output=True, text=True, check=True, timeout=30
    )
    assert not [line for line in done.stderr.splitlines() if "Running as user" not in line], done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("payload")
@pytest.mark.parametrize("method", ["resident", "upload"])
def test_it_goes_on_in_the_same_file_and_the_gap_stands_in_it(
    own: DemoCluster, tshark_native: Tshark, tmp_path: Path, method: str
) -> None:
    with own.fault(CUT):
        done = capture(own, tmp_path, "deploy/shop/web", "--method", method, "--limit-packets", "100")
    assert done.code == 0, done.said
    file = tmp_path / "out.pcapng"
    rows = fields(tshark_native, file, "frame.interface_name", "frame.comment", "frame.time_epoch")
    assert len(rows) == 100
    assert len({name for name, _, _ in rows}) == 1, "one pod, one interface"
    remarks = [(number, comment) for number, (_, comment, _) in enumerate(rows) if comment]
    assert len(remarks) == 1
    number, comment = remarks[0]
    assert 0 < number < 99
    assert comment.startswith("The capture has a gap from ")
    assert " was cut after " in comment
    times = [float(epoch) for _, _, epoch in rows]
    assert times[number] - times[number - 1] > 0.4  # the least pause before another try
    assert ends_whole(file)
    assert done.said.count("The capture has a gap") == 1
    assert "Trying again for 300 s" in done.said


def test_a_live_tshark_shows_the_gap(own: DemoCluster, tshark: Tshark) -> None:
    """Through dumpcap, which copies the blocks: all three versions."""
    stage = Stage(tshark)
    stage.config(own.kubeconfig)
    stage.install()
    with own.fault(CUT):
        done = tshark.run(
            "-i", "k8s-deploy-shop.web", "-c", "100", "-T", "fields", "-e", "frame.number", "-e", "frame.comment"
        )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == 100
    assert [comment.startswith("The capture has a gap from ") for _, comment in rows if comment] == [True]
    assert sentence_of(done.stderr).startswith("The capture has a gap from ")


def test_in_a_pcap_file_too(own: DemoCluster, tshark_native: Tshark, tmp_path: Path) -> None:
    with own.fault(CUT):
        done = capture(own, tmp_path, "deploy/shop/web", "--output", "pcap", "--limit-packets", "100", write="out.pcap")
    assert done.code == 0, done.said
    assert len(fields(tshark_native, tmp_path / "out.pcap", "frame.number")) == 100
    assert done.said.count("The capture has a gap") == 1


def test_several_cuts_are_several_gaps(own: DemoCluster, tshark_native: Tshark, tmp_path: Path) -> None:
    """The limit of packets is the capture's, not a stream's."""
    # Each stream is cut, the looks into the container (shorter answers) are not.
    fault = Fault(Kind.RESET, path="/exec", times=7, bytes=3000)
    with own.fault(fault):
        done = capture(own, tmp_path, "deploy/shop/web", "--limit-packets", "150")
    assert done.code == 0, done.said
    rows = fields(tshark_native, tmp_path / "out.pcapng", "frame.comment")
    assert len(rows) == 150
    gaps = sum("The capture has a gap" in comment for (comment,) in rows)
    assert gaps >= 2
    assert f"The stream was interrupted {gaps} times" in done.said


def test_zero_ends_it_instead(own: DemoCluster, tmp_path: Path) -> None:
    with own.fault(CUT):
        done = capture(own, tmp_path, "deploy/shop/web", "--reconnect", "0")
    assert done.code == 10
    assert "was cut after" in done.said
    assert "The capture has a gap" not in done.said


def test_it_gives_up_when_its_time_is_over(own: DemoCluster, tmp_path: Path) -> None:
    """What it had is in the file, which ends whole; the first reason is what the user is told."""
    with own.fault(CUT), own.fault(Fault(Kind.REFUSE, path="/exec", skip=1)):  # each exec behind the one that is cut
        done = capture(own, tmp_path, "deploy/shop/web", "--reconnect", "3")
    assert done.code == 10
    assert done.said.splitlines()[-1].startswith("The stream from container web of pod shop/web-")
    assert ends_whole(tmp_path / "out.pcapng")


def test_a_stop_while_it_waits_is_a_stop(own: DemoCluster, tmp_path: Path) -> None:
    with own.fault(CUT), own.fault(Fault(Kind.SERVER_ERROR, path="/exec", skip=1, code=503)):
        done = capture(own, tmp_path, "deploy/shop/web", "--limit-time", "3s")
    assert done.code == 0, done.said
    assert "the time limit was reached" in done.said
    assert ends_whole(tmp_path / "out.pcapng")


@pytest.mark.slow  # 25 s of standing still: longer than the far side waits
def test_after_standing_still_what_came_is_kept_and_it_goes_on(own: DemoCluster, tmp_path: Path) -> None:
    """As a computer that slept. The far side goes on for as long as it waits for a sign of life: all that is here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "k8s_extcap", "capture", "deploy/shop/web", "-w", tmp_path / "out.pcapng"],
        env={**os.environ, "K8S_EXTCAP_HOME": str(tmp_path), "KUBECONFIG": str(own.kubeconfig)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(4)
        process.send_signal(signal.SIGSTOP)
        time.sleep(25)
        process.send_signal(signal.SIGCONT)
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "This computer slept, or stood still, for 2" in said
    gap = re.search(r"The capture has a gap from [\d:.]+ to [\d:.]+ UTC \(([\d.]+) s", said)
    assert gap, said
    assert float(gap[1]) < 15, "the far side captured for 20 of the 25 seconds"
    assert ends_whole(tmp_path / "out.pcapng")
