"""The three ways to have pods: root, an ordinary user's namespace, replay. Each is forced and captures packets."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed import ordinary
from testbed.demo import DemoCluster, Mode, modes
from testbed.demo.rawclient import STDERR, Client, exec_path

pytestmark = [pytest.mark.demo, pytest.mark.slow]

# An ordinary user, whoever runs the tests.
USER = 1000
SYSTEM_PYTHON = "/usr/bin/python3"


@contextmanager
def _as_ordinary_user(mode: Mode) -> Iterator[DemoCluster]:
    if os.getuid() != 0:
        with DemoCluster.start(mode=mode) as cluster:
            yield cluster
        return
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become an ordinary user with")
    import aiohttp

    site = Path(aiohttp.__file__).resolve().parents[1]
    with (
        ordinary.prefix(site, USER) as prefix,
        DemoCluster.start(mode=mode, prefix=prefix, python=SYSTEM_PYTHON) as cluster,
    ):
        yield cluster


@contextmanager
def _start(mode: Mode) -> Iterator[DemoCluster]:
    if mode is Mode.USERNS:
        with _as_ordinary_user(mode) as cluster:
            yield cluster
        return
    if reason := modes.refusal(mode):
        pytest.skip(f"mode {mode} cannot run here: {reason}")
    with DemoCluster.start(mode=mode) as cluster:
        yield cluster


def records(capture: bytes) -> list[bytes]:
    """The packets of a little-endian pcap; fails on anything torn."""
    assert capture[:4] == b"\xd4\xc3\xb2\xa1"
    at, found = 24, []
    while at < len(capture):
        size = struct.unpack_from("<I", capture, at + 8)[0]
        found.append(capture[at + 16 : at + 16 + size])
        assert len(found[-1]) == size
        at += 16 + size
    return found


async def _web(client: Client) -> str:
    pods = (await client.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb")).json["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    return str(pods[0]["metadata"]["name"])


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_captures(mode: Mode) -> None:
    async def scenario(cluster: DemoCluster) -> tuple[list[bytes], bytes]:
        client = Client(cluster.kubeconfig)
        argv = ["tcpdump", "-n", "-c", "40", "-U", "-w", "-", "tcp port 8080"]
        got = await client.run(exec_path("shop", await _web(client), argv))
        assert got.status["status"] == "Success"
        return records(got.output()), got.output(STDERR)

    with _start(mode) as cluster:
        assert cluster.mode is mode
        packets, said = asyncio.run(scenario(cluster))
    assert len(packets) == 40
    assert any(b"GET /items?page=" in packet for packet in packets)
    assert b"40 packets captured" in said
    assert (b"replay" in said) is (mode is Mode.REPLAY)


@pytest.mark.parametrize("mode", [Mode.ROOT, Mode.USERNS])
def test_a_container_without_net_raw_cannot_capture(mode: Mode) -> None:
    with _start(mode) as cluster:
        path = exec_path("lab", "no-caps", ["tcpdump", "-w", "-"])
        got = asyncio.run(Client(cluster.kubeconfig).run(path))
    assert got.output() == b""
    assert b"You don't have permission" in got.output(STDERR)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_image_has_what_it_has_and_no_more(mode: Mode) -> None:
    async def scenario(cluster: DemoCluster) -> list[str]:
        client = Client(cluster.kubeconfig)
        found = []
        for namespace, pod, word in (("shop", "db-0", "tcpdump"), ("shop", "edge", "sh"), ("lab", "sender", "nosuch")):
            got = await client.run(exec_path(namespace, pod, [word]))
            found.append(got.status["message"])
        return found

    with _start(mode) as cluster:
        messages = asyncio.run(scenario(cluster))
    assert all("executable file not found in $PATH" in message for message in messages)


def test_root_is_taken_first_by_root() -> None:
    expected = (
        Mode.ROOT if not modes.refusal(Mode.ROOT) else Mode.USERNS if not modes.refusal(Mode.USERNS) else Mode.REPLAY
    )
    mode, why = modes.choose()
    assert mode is expected
    assert bool(why) is (mode is not Mode.ROOT)


ARCHITECTURE = {"aarch64": "arm64", "x86_64": "amd64"}.get(os.uname().machine, "unknown")
STATIC = Path(__file__).resolve().parents[3] / "k8s_extcap" / "payload" / "bin" / f"tcpdump-{ARCHITECTURE}"


@pytest.mark.skipif(not STATIC.exists(), reason="the static tcpdump is not built here (python -m payload.build)")
@pytest.mark.parametrize("mode", [Mode.ROOT, Mode.USERNS])
def test_an_uploaded_static_tcpdump_captures_where_there_is_none(mode: Mode) -> None:
    program = STATIC.read_bytes()
    script = 'dd bs="$1" count=1 iflag=fullblock of=/tmp/t && chmod 700 /tmp/t && exec /tmp/t -c 10 -U -w - tcp'
    sent = [b"\0" + program[n : n + 65536] for n in range(0, len(program), 65536)]

    async def scenario(cluster: DemoCluster) -> list[bytes]:
        client = Client(cluster.kubeconfig)
        (pod,) = (await client.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi")).json["items"]
        argv = ["sh", "-c", script, "upload", str(len(program))]
        path = exec_path("shop", pod["metadata"]["name"], argv, streams="stdin stdout stderr")
        return records((await client.run(path, stdin=sent)).output())

    with _start(mode) as cluster:
        assert len(asyncio.run(scenario(cluster))) == 10


def test_replay_pods_of_an_ordinary_user() -> None:
    with _as_ordinary_user(Mode.REPLAY) as cluster:
        path = exec_path("lab", "sender", ["tcpdump", "-c", "3", "-w", "-", "udp"])
        got = asyncio.run(Client(cluster.kubeconfig).run(path))
    assert len(records(got.output())) == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_replay_pods_of_root_have_nobodys_rights() -> None:
    with _start(Mode.REPLAY) as cluster:
        got = asyncio.run(
            Client(cluster.kubeconfig).run(exec_path("lab", "sender", ["sh", "-c", "id -u; cat /etc/shadow"]))
        )
    assert got.output() == b"65534\n"
    assert b"Permission denied" in got.output(STDERR)
