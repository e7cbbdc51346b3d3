"""Each fault does on the wire what its name says, seen by a client that knows nothing of it."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from testbed.demo import DemoCluster, Fault, Kind
from testbed.demo.rawclient import STDERR, STDOUT, V5, Client, exec_path

pytestmark = pytest.mark.demo

NODES = "/api/v1/nodes"
FRAME = 32 * 1024
EXEC = r"/exec\?"
# Long enough that silence is no accident, short enough for a test.
SILENCE = 0.7


@pytest.fixture(scope="module")
def own() -> Iterator[DemoCluster]:
    with DemoCluster.start() as cluster:
        yield cluster


@pytest.fixture
def client(own: DemoCluster) -> Iterator[Client]:
    yield Client(own.kubeconfig)
    own.clear_faults()


def _shell(script: str, streams: str = "stdout stderr") -> str:
    return exec_path("lab", "sender", ["sh", "-c", script], streams=streams)


@asynccontextmanager
async def _open(client: Client, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with client.session() as session, session.ws_connect(path, protocols=(V5,)) as socket:
        yield socket


# whole requests


def test_refuse_ends_the_connection_without_an_answer(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.REFUSE, path=NODES))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        asyncio.run(client.get(NODES))
    own.clear_faults()
    assert asyncio.run(client.get(NODES)).code == 200


def test_delay(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.DELAY, path=NODES, seconds=SILENCE))
    began = time.monotonic()
    assert asyncio.run(client.get(NODES)).code == 200
    assert time.monotonic() - began >= SILENCE


def test_html_403(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.HTML_403, path=NODES))
    answer = asyncio.run(client.get(NODES))
    assert (answer.code, answer.headers["Content-Type"].partition(";")[0]) == (403, "text/html")
    assert "<html>" in answer.text


def test_gone_for_a_list_and_for_a_watch(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.GONE, path=NODES))
    answer = asyncio.run(client.get(f"{NODES}?limit=1&continue=x"))
    assert (answer.code, answer.json["reason"]) == (410, "Expired")
    (event,) = asyncio.run(client.lines(f"{NODES}?watch=1&resourceVersion=1", 2))
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_too_many_says_when_to_come_back(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.TOO_MANY, path=NODES, seconds=7))
    answer = asyncio.run(client.get(NODES))
    assert (answer.code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json["details"]["retryAfterSeconds"] == 7


@pytest.mark.parametrize(("code", "is_status"), [(500, True), (504, True), (502, False), (503, False)])
def test_server_errors(own: DemoCluster, client: Client, code: int, is_status: bool) -> None:
    own.add_fault(Fault(Kind.SERVER_ERROR, path=NODES, code=code))
    answer = asyncio.run(client.get(NODES))
    assert answer.code == code
    assert answer.text.startswith("{") is is_status


def test_a_token_that_expires(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.UNAUTHORIZED, path=NODES, skip=1, times=1))
    assert [asyncio.run(client.get(NODES)).code for _ in range(3)] == [200, 401, 200]


def test_clock_skew_moves_the_date_and_the_timestamps(own: DemoCluster, client: Client) -> None:
    plain = asyncio.run(client.get(NODES))
    own.add_fault(Fault(Kind.CLOCK_SKEW, path=NODES, seconds=-86400))
    skewed = asyncio.run(client.get(NODES))
    days = [email.utils.parsedate_to_datetime(answer.headers["Date"]) for answer in (plain, skewed)]
    assert 86390 < (days[0] - days[1]).total_seconds() < 86410
    created = [answer.json["items"][0]["metadata"]["creationTimestamp"] for answer in (plain, skewed)]
    assert created[0] > created[1]


def test_trickle_of_an_answer(own: DemoCluster, client: Client) -> None:
    plain = asyncio.run(client.get("/version"))
    own.add_fault(Fault(Kind.TRICKLE, path="/version"))

    async def chunks() -> list[bytes]:
        async with client.session() as session, session.get("/version") as answer:
            return [chunk async for chunk in answer.content.iter_any()]

    got = asyncio.run(chunks())
    assert b"".join(got).decode() == plain.text
    assert len(got) > 10  # a client may find several bytes waiting, never all of them


def test_no_first_byte_of_an_answer(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.NO_FIRST_BYTE, path=NODES))
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(client.get(NODES), SILENCE))


# exec streams


def test_no_first_byte_of_a_stream(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.NO_FIRST_BYTE, path=EXEC))

    async def scenario() -> None:
        async with _open(client, _shell("echo hello")) as socket:  # the handshake succeeds
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=SILENCE)

    asyncio.run(scenario())


def test_trickle_of_a_stream(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.TRICKLE, path=EXEC))
    got = asyncio.run(client.run(_shell("head -c 3000 /dev/zero; echo x >&2")))
    assert [len(data) for channel, data in got.messages if channel == STDOUT] == [0] + [1] * 3000
    assert got.status["status"] == "Success"


def test_multiples_hold_the_output_back_until_32_kib_are_full(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.MULTIPLES, path=EXEC))
    script = "for n in 1 2 3 4 5 6 7; do head -c 10000 /dev/zero; sleep 0.02; done"
    got = asyncio.run(client.run(_shell(script)))
    assert [len(data) for channel, data in got.messages if channel == STDOUT] == [0, FRAME, FRAME, 70000 - 2 * FRAME]


@pytest.mark.parametrize("cut", [FRAME, 3 * FRAME])
def test_stdin_is_cut(own: DemoCluster, client: Client, cut: int) -> None:
    own.add_fault(Fault(Kind.STDIN_CUT, path=EXEC, bytes=cut))
    sent = [b"\0" + b"x" * FRAME] * 8
    got = asyncio.run(client.run(_shell("wc -c", "stdin stdout"), stdin=sent))
    assert int(got.output()) == cut


def test_status_before_the_last_output(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.STATUS_FIRST, path=EXEC))
    got = asyncio.run(client.run(_shell("head -c 100000 /dev/zero")))
    order = [channel for channel, data in got.messages if data]
    assert order[0] == 3
    assert len(got.output()) == 100000


def test_tail_lost_with_exit_code_0(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.TAIL_LOST, path=EXEC, bytes=1000))
    got = asyncio.run(client.run(_shell("head -c 100000 /dev/zero; echo whole >&2; exit 3")))
    assert len(got.output()) == 99000
    assert got.output(STDERR) == b"whole\n"
    assert got.status["status"] == "Success"


def test_closed_without_a_status(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.NO_STATUS, path=EXEC))
    got = asyncio.run(client.run(_shell("echo hello")))
    assert [channel for channel, _ in got.messages] == [STDOUT, STDOUT]


def test_reset_after_so_many_bytes(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.RESET, path=EXEC, bytes=50000))
    got = asyncio.run(client.run(_shell("cat /dev/zero")))
    assert len(got.output()) <= 50000  # what a reset overtakes in the client's own buffer is lost
    assert got.output(3) == b""
    assert got.close_code != 1000


def test_frozen_neither_reads_nor_writes_but_stays(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.FREEZE, path=EXEC, bytes=50000))

    async def scenario() -> int:
        async with client.session() as session:
            socket = await session.ws_connect(_shell("cat /dev/zero"), protocols=(V5,), autoping=False)
            total = 0
            while total < 50000:
                total += len((await socket.receive_bytes())[1:])
            await socket.ping()
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=SILENCE)
            connection = socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()  # a polite close would wait for an answer that never comes
            return total

    assert asyncio.run(scenario()) == 50000


def test_idle_connections_are_cut_and_busy_ones_are_not(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.IDLE_CUT, path=EXEC, seconds=SILENCE))
    idle = asyncio.run(client.run(_shell("sleep 30")))
    assert (idle.output(3), idle.close_code == 1000) == (b"", False)
    busy = asyncio.run(client.run(_shell("for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; sleep 0.2; done")))
    assert busy.status["status"] == "Success"


def test_slow_reader(own: DemoCluster, client: Client) -> None:
    own.add_fault(Fault(Kind.SLOW_READER, path=EXEC, bytes=100_000))
    began = time.monotonic()
    got = asyncio.run(client.run(_shell("head -c 60000 | wc -c", "stdin stdout"), stdin=[b"\0" + b"x" * 60000]))
    assert int(got.output()) == 60000
    assert time.monotonic() - began > 0.5


def test_the_kinds_are_all_here() -> None:
    """A new fault without a test on the wire fails here."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [kind.name for kind in Kind if f"Kind.{kind.name}" not in source] == []


def test_the_control_door_wants_its_token(own: DemoCluster, client: Client) -> None:
    answer = asyncio.run(client.get("/_demo/faults"))  # with a user's token, not the door's
    assert answer.code == 403
