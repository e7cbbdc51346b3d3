"""The far side fails, or the stream ends: on the demo cluster, shown by the real tshark.

A pod's program may say anything: scripts in the pods play tcpdumps that do.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from k8s_extcap.model import errors
from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.wait import until
from tests.golden.errors.golden import check, proper
from tests.golden.errors.stage import Lane, Stage
from tests.process.inpod import plant

pytestmark = [pytest.mark.tshark, pytest.mark.demo]

BUSY = "k8s-deploy-shop.web"  # its pods have tcpdump and traffic
IDLE = "k8s-pod-lab.sender"
EXEC = "/exec"
NAMES = {f"shop/web-vchvtjw47k-{tail}": "shop/web-POD" for tail in ("2c5v4", "2zzvr", "s9bkx")}


class Case(NamedTuple):
    key: str
    interface: str
    fault: Fault
    options: tuple[str, ...]
    when: str
    do: str


AGAIN = "Start the capture again."
SOON = ("--wait", "2", "--timeout", "2")
ONCE = ("--reconnect", "0")  # else a stream that is cut goes on
FAULTS = (
    Case("stream-cut-early", BUSY, Fault(Kind.RESET, path=EXEC, skip=1), (), "The stream is reset at once.", AGAIN),
    Case("stream-cut", BUSY, Fault(Kind.RESET, path=EXEC, skip=1, bytes=6000), (), "The stream is reset.", AGAIN),
    Case("stream-idle-cut", IDLE, Fault(Kind.IDLE_CUT, path=EXEC, skip=1, seconds=2), (),
         "A load balancer cuts a quiet stream.", AGAIN),
    Case("stream-not-started", IDLE, Fault(Kind.NO_FIRST_BYTE, path=EXEC, skip=1), SOON,
         "The node does not start the command.", "Try again, or another pod."),
    Case("upload-damaged", IDLE, Fault(Kind.STDIN_CUT, path=EXEC, skip=1, bytes=5000), ("--method", "upload"),
         "The upload does not arrive whole.", "Try again, or ephemeral."),
)  # fmt: skip


@pytest.mark.usefixtures("payload")
@pytest.mark.parametrize("case", FAULTS, ids=lambda c: c.key)
def test_a_fault_of_the_stream(case: Case, stage: Stage, own: DemoCluster) -> None:
    with own.fault(case.fault):
        shown = stage.show(case.interface, *ONCE, *case.options)
    check(case.key, shown, case.when, case.do, NAMES)


@pytest.mark.slow
def test_a_stream_that_freezes(stage: Stage, own: DemoCluster) -> None:
    """The connection stays, and nothing comes: three unanswered pings tell."""
    with own.fault(Fault(Kind.FREEZE, path=EXEC, skip=1, bytes=6000)):
        shown = stage.show(BUSY, *ONCE)
    check("stream-frozen", shown, "The connection stays, but nothing comes any more.", "Start it again later.", NAMES)


def test_a_stream_closed_without_a_status(stage: Stage, own: DemoCluster) -> None:
    """A container that is stopped takes its processes along; the server closes without a word about them."""
    with own.fault(Fault(Kind.NO_STATUS, path=EXEC, skip=1)):
        shown = stage.show(
            IDLE, *ONCE, "--method", "resident", "--tcpdump", plant(own, "ends", "sleep 0.5; kill -9 $PPID")
        )
    check("stream-closed", shown, "The stream is closed without a status.", AGAIN)


# Programs that say anything


HEADER = r"\324\303\262\241\002\000\004\000\000\000\000\000\000\000\000\000\000\000\004\000\001\000\000\000"
RECORD = r"\001\000\000\000\000\000\000\000\377\377\377\177\377\377\377\177"
FORGED = r"""for word in ready 'need /etc/passwd' 'rc=²' 'rc=99999999999999999999' need need; do
echo "k8s-extcap: $word" >&2; done; exit 1"""
SAY = (
    ("no-capture", "echo 'Usage: tcpdump [options]'; sleep 1", "The first bytes are no capture.",
     "Use upload or ephemeral."),
    ("damaged-record", rf"printf '{HEADER}{RECORD}'; sleep 1", "The capture is damaged on the way.", AGAIN),
    ("tcpdump-no-rights", "echo \"tcpdump: eth0: You don't have permission to perform this capture\" >&2; exit 1",
     "tcpdump lacks the capability NET_RAW.", "Use ephemeral or nsenter."),
    ("tcpdump-user", "echo \"tcpdump: Couldn't find user 'tcpdump'\" >&2; exit 1",
     "tcpdump cannot become its own user.", "Use upload or ephemeral."),
    ("tcpdump-not-started", "exec /no/such/program", "tcpdump cannot be started.", "Use upload or ephemeral."),
    ("tcpdump-killed", "kill -9 $$", "The kernel kills tcpdump (memory limit).", "Use a smaller buffer."),
    ("tcpdump-silent", "exit 3", "tcpdump ends without a word.", "Try another method."),
    ("tcpdump-ends", rf"printf '{HEADER}'; sleep 1; exit 0", "tcpdump ends by itself.", AGAIN),
    ("tcpdump-hostile", r"""printf 'tcpdump: \033]0;owned\007\033[2Jred \r\302\233 \342\200\256 \377\376\000 end\n' >&2
exit 1""", "The pod sends escape sequences.", "They are blanked."),
    ("tcpdump-endless", "i=0; while [ $i -lt 1000 ]; do printf 0123456789; i=$((i+1)); done >&2; echo >&2; exit 1",
     "The pod sends a line of 10 kB.", "It is cut."),
    ("tcpdump-forged", FORGED, "The pod speaks our own protocol.", "Use another container."),
    ("tcpdump-markup", "echo '<b>bold</b><img src=x> %s %n {sentence} k8s-extcap: rc=0' >&2; exit 1",
     "The pod sends markup and format strings.", "They are shown as they are."),
)  # fmt: skip


@pytest.mark.parametrize(("key", "body", "when", "do"), SAY, ids=[row[0] for row in SAY])
def test_what_a_program_says(stage: Stage, own: DemoCluster, key: str, body: str, when: str, do: str) -> None:
    program = plant(own, key, body)
    check(key, stage.show(IDLE, "--method", "resident", "--tcpdump", program), when, do)


def test_a_program_that_sends_no_header(stage: Stage, own: DemoCluster) -> None:
    program = plant(own, "mute", "exec sleep 60")
    shown = stage.show(IDLE, *SOON, "--method", "resident", "--tcpdump", program)
    check("tcpdump-mute", shown, "tcpdump runs, but not even a file header comes.", "Another method.")


def test_the_lane_shows_the_same_and_nothing_raw(own: DemoCluster, tmp_path: Path) -> None:
    """Also where `stderr` is a terminal of somebody's own: bytes of the pod never reach it as they came."""
    program = plant(own, "raw", r"""printf 'tcpdump: \033[31m\377\n' >&2; exit 1""")
    lane = Lane(tmp_path / "own", own.kubeconfig)
    process = lane.start(IDLE, "--method", "resident", "--tcpdump", program)
    code, stderr = lane.finish(process)
    assert code == errors.RemoteError.exit_code
    assert stderr.count(b"\n") == 1
    assert b"\x1b" not in stderr
    assert not set(lane.log()) & {"\x1b", "\x07"}
    proper(stderr.decode().strip())


# A stop is no error


@pytest.mark.parametrize("kind", [Kind.NO_FIRST_BYTE, Kind.DELAY])
@pytest.mark.parametrize("path", [r"/pods/sender$", EXEC])
def test_a_stop_while_it_hangs_is_silent(own: DemoCluster, tmp_path: Path, kind: Kind, path: str) -> None:
    lane = Lane(tmp_path / "own", own.kubeconfig)
    number = own.add_fault(Fault(kind, path=path, seconds=30))
    try:
        process = lane.start(IDLE)
        assert until(lambda: own.fault_hits()[number] > 0, 30)
        process.terminate()
        assert lane.finish(process, 10) == (0, b"")
    finally:
        own.clear_faults()


def test_a_host_that_reads_no_stderr_is_no_reason_to_fail(own: DemoCluster, tmp_path: Path) -> None:
    lane = Lane(tmp_path / "own", own.kubeconfig)
    process = lane.start("k8s-pod-shop.gone")
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.close()
    with process.stdout:
        assert process.wait(30) == errors.TargetError.exit_code
    assert "nobody reads stderr" in lane.log()
