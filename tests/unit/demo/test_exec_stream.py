"""pods/exec of the demo cluster, message by message, with a client that shares no code with the product."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable

import pytest

from testbed.demo import DemoCluster
from testbed.demo.rawclient import STDERR, STDIN, V4, V5, Client, exec_path

pytestmark = pytest.mark.demo

FRAME = 32 * 1024
# A command found by this word in its own arguments, whoever looks.
WORD = "orphan-of-the-test"


def _client(demo: DemoCluster) -> Client:
    return Client(demo.kubeconfig)


async def _pids(client: Client, pod: str, word: str) -> int:
    """How many processes of a lab pod have the word among their arguments, by the pod's own /proc."""
    script = f"grep -al -e {word[:-1]}[{word[-1]}] /proc/[0-9]*/cmdline | wc -l"
    found = await client.run(exec_path("lab", pod, ["sh", "-c", script]))
    return int(found.output())


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


def test_output_comes_whole_and_in_frames_of_at_most_32_kib(demo: DemoCluster) -> None:
    size = 5_000_000
    script = f"head -c {size} /dev/zero; echo end >&2; exit 7"
    got = asyncio.run(_client(demo).run(exec_path("lab", "sender", ["sh", "-c", script])))
    assert len(got.output()) == size
    assert max(len(data) for _, data in got.messages) <= FRAME
    assert got.output(STDERR) == b"end\n"
    assert got.status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


@pytest.mark.parametrize("protocol", [V5, V4])
@pytest.mark.parametrize("size", [1, FRAME, 1 << 20])
def test_an_upload_arrives_whole_in_messages_of_any_size(demo: DemoCluster, protocol: str, size: int) -> None:
    data = bytes(range(256)) * (3 * (1 << 20) // 256) if size > 1 else b"x" * 100
    argv = ["sh", "-c", f"dd bs={len(data)} count=1 iflag=fullblock 2>/dev/null | sha256sum"]
    sent = [bytes([STDIN]) + data[n : n + size] for n in range(0, len(data), size)]
    path = exec_path("lab", "sender", argv, streams="stdin stdout stderr")
    got = asyncio.run(_client(demo).run(path, protocols=(protocol,), stdin=sent))
    assert got.output().decode().split()[0] == hashlib.sha256(data).hexdigest()


def test_only_v5_can_end_stdin(demo: DemoCluster) -> None:
    path = exec_path("lab", "sender", ["sh", "-c", "cat; echo ended"], streams="stdin stdout")
    sent = [b"\x00hello ", b"\xff\x00"]
    assert asyncio.run(_client(demo).run(path, protocols=(V5,), stdin=sent)).output() == b"hello ended\n"
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(_client(demo).run(path, protocols=(V4,), stdin=sent), 1.0))


@pytest.mark.parametrize(
    ("pod", "protocol", "survives"),
    [("sender", V5, True), ("sender", V4, True), ("sender-2", V5, True), ("sender-2", V4, False)],
)
def test_a_command_whose_client_goes(demo: DemoCluster, pod: str, protocol: str, survives: bool) -> None:
    """containerd 1.x never ends it; 2.x (node demo-2) does for v4, and not for v5."""

    async def scenario() -> bool:
        client, word = _client(demo), f"{WORD}-{protocol[:2]}"
        path = exec_path("lab", pod, ["sh", "-c", "sleep 1000; exit", word], streams="stdin stdout")
        async with client.session() as session:
            socket = await session.ws_connect(path, protocols=(protocol,))
            await socket.receive()
            assert await _until(lambda: _running(client, pod, word))
            await socket.close()
        if not survives:
            return not await _until(lambda: _gone(client, pod, word))
        await asyncio.sleep(0.5)
        alive = await _running(client, pod, word)
        await client.run(
            exec_path(
                "lab",
                pod,
                ["sh", "-c", f"kill -9 $(grep -al {word[:-1]}[{word[-1]}] /proc/[0-9]*/cmdline | cut -d/ -f3)"],
            )
        )
        return alive

    assert asyncio.run(scenario()) is survives


async def _running(client: Client, pod: str, word: str) -> bool:
    return await _pids(client, pod, word) > 0


async def _gone(client: Client, pod: str, word: str) -> bool:
    return not await _running(client, pod, word)


def test_a_command_that_reads_stdin_notices_that_its_client_went(demo: DemoCluster) -> None:
    async def scenario() -> bool:
        client, word = _client(demo), f"{WORD}-reads"
        path = exec_path("lab", "sender", ["sh", "-c", "cat; exit", word], streams="stdin stdout")
        async with client.session() as session:
            socket = await session.ws_connect(path, protocols=(V5,))
            await socket.receive()
            await socket.close()
        return await _until(lambda: _gone(client, "sender", word))

    assert asyncio.run(scenario())


def test_many_commands_at_once_do_not_mix(demo: DemoCluster) -> None:
    async def scenario() -> list[bytes]:
        client = _client(demo)
        runs = [client.run(exec_path("lab", "sender", ["sh", "-c", f"seq 1 2000 | sed s/^/{n}:/"])) for n in range(12)]
        return [got.output() for got in await asyncio.gather(*runs)]

    for number, output in enumerate(asyncio.run(scenario())):
        assert output.decode().split() == [f"{number}:{line}" for line in range(1, 2001)]


def test_a_client_that_does_not_read_stops_the_command_and_nothing_is_lost(demo: DemoCluster) -> None:
    async def scenario() -> int:
        path = exec_path("lab", "sender", ["sh", "-c", "head -c 40000000 /dev/zero"])
        async with _client(demo).session() as session, session.ws_connect(path, protocols=(V5,)) as socket:
            await asyncio.sleep(1.0)
            total = 0
            async for message in socket:
                total += len(message.data) - 1 if message.data[0] == 1 else 0
            return total

    assert asyncio.run(scenario()) == 40_000_000


def test_each_container_has_its_own_files_and_processes(demo: DemoCluster) -> None:
    async def scenario() -> tuple[bytes, bytes, bytes]:
        client = _client(demo)
        app = exec_path("shop", "checkout", ["sh", "-c", "echo mine > /tmp/f; cat /tmp/f; cat /proc/1/comm"], "app")
        proxy = exec_path("shop", "checkout", ["sh", "-c", "ls /tmp; cat /proc/1/comm"], "proxy")
        same_net = exec_path("shop", "checkout", ["sh", "-c", "readlink /proc/self/ns/net"], "app")
        other = exec_path("shop", "checkout", ["sh", "-c", "readlink /proc/self/ns/net"], "proxy")
        first, second = (await client.run(same_net)).output(), (await client.run(other)).output()
        assert first == second != b""
        return (await client.run(app)).output(), (await client.run(proxy)).output(), first

    mine, theirs, _ = asyncio.run(scenario())
    assert mine == b"mine\nshopper\n"
    assert theirs == b"idle\n"
