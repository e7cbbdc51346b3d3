"""pods/exec: the checks of API server and kubelet, then the stream between a WebSocket and a real process."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

from testbed.demo import channels, status
from testbed.demo.agent import Agent, Ended
from testbed.demo.faulty import StreamFault
from testbed.demo.kubelet import Kubelet
from testbed.demo.resources import PODS
from testbed.demo.store import Object, Store
from testbed.demo.stream import Pipes, pump_in, pump_out
from testbed.demo.target import Target

_TRUE = ("true", "1")


class Place(NamedTuple):
    """Where a command will run. containerd 2.x, with v4, kills the command when its client goes; 1.x never does."""

    runtime_id: str
    containerd_2: bool


def locate(store: Store, kubelet: Kubelet, target: Target, asked: str) -> Place:
    """The container, or the refusal in the words of the server that refuses."""
    pod = store.get(PODS, target.namespace, target.name)
    container = _container(pod, asked)
    node_name = pod["spec"].get("nodeName", "")
    if not node_name:
        raise status.bad_request(f"pod {target.name} does not have a host assigned")
    runtime_id = kubelet.running(target.namespace, target.name, container)
    if runtime_id is None:
        # The kubelet's answer, passed on as text.
        raise status.ApiError(500, "", f'container not found ("{container}")', text=True)
    return Place(runtime_id, kubelet.is_containerd_2(node_name))


def _container(pod: Object, asked: str) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    every = [c["name"] for key in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(key, [])]
    if asked:
        if asked not in every:
            raise status.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(spec["containers"]) != 1:
        choice = "[" + " ".join(every) + "]"
        raise status.bad_request(f"a container name must be specified for pod {name}, choose one of: {choice}")
    first: str = spec["containers"][0]["name"]
    return first


async def serve(
    request: web.Request, store: Store, kubelet: Kubelet, agent: Agent, target: Target, fault: StreamFault
) -> web.StreamResponse:
    query = request.query
    wants = {name: query.get(name) in _TRUE for name in ("stdin", "stdout", "stderr")}
    if request.headers.get("Upgrade", "").lower() != "websocket":
        locate_error = _try_locate(store, kubelet, target, query.get("container", ""))
        raise locate_error or status.bad_request("Upgrade request required")
    place = locate(store, kubelet, target, query.get("container", ""))
    if not any(wants.values()):
        raise status.ApiError(400, "", "you must specify at least 1 of stdin, stdout, stderr", text=True)
    protocol = channels.choose(request.headers.get("Sec-WebSocket-Protocol", ""))
    if protocol is None:
        return web.Response(status=403, body=b"")  # golang.org/x/net/websocket refuses without a body
    # No limit on a message: clients may upload in frames of a megabyte and more.
    socket = web.WebSocketResponse(protocols=(protocol,), max_msg_size=0, compress=False)
    if not protocol:
        socket.headers["Sec-WebSocket-Protocol"] = ""
    await socket.prepare(request)
    wants = {name: query.get(name) in _TRUE for name in ("stdin", "stdout", "stderr")}
    argv = tuple(query.getall("command", []))
    await _Session(socket, agent, place, protocol, wants, fault, argv).run()
    return socket


def _try_locate(store: Store, kubelet: Kubelet, target: Target, container: str) -> status.ApiError | None:
    try:
        locate(store, kubelet, target, container)
    except status.ApiError as error:
        # Without an upgrade the request never reaches the kubelet.
        return None if error.text else error
    return None


class _Session:
    def __init__(
        self,
        socket: web.WebSocketResponse,
        agent: Agent,
        place: Place,
        protocol: str,
        wants: dict[str, bool],
        fault: StreamFault,
        argv: tuple[str, ...],
    ) -> None:
        self._socket = socket
        self._argv = argv
        self._agent = agent
        self._place = place
        self._protocol = protocol
        self._wants = wants
        self._fault = fault

    async def run(self) -> None:
        await self._fault.at_start()
        # An empty message on the lowest channel that the client reads says "established".
        first = next((n for n, name in ((1, "stdout"), (2, "stderr")) if self._wants[name]), channels.STATUS)
        await self._socket.send_bytes(bytes([first]))
        pipes = Pipes.open(**self._wants)
        number, future = self._agent.execute(self._place.runtime_id, self._argv, pipes.theirs)
        pipes.close_theirs()
        reader = asyncio.ensure_future(self._read(pipes))
        output = asyncio.ensure_future(self._output(pipes, future))
        done, _ = await asyncio.wait({reader, output}, return_when=asyncio.FIRST_COMPLETED)
        if output in done:
            reader.cancel()
            await asyncio.wait({reader})  # it may still wait for the pipe that is closed next
            pipes.close()
            return
        await self._client_gone(number, future, output, pipes)

    async def _read(self, pipes: Pipes) -> None:
        """Until the client goes away."""
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                continue
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if not data:
                continue
            if data[0] == channels.STDIN:
                await pump_in(pipes, data[1:], self._fault)
            elif data[0] == channels.CLOSE and data[1:] == b"\0" and self._protocol == channels.V5:
                pipes.close_stdin()

    async def _output(self, pipes: Pipes, future: asyncio.Future[dict[str, Any]]) -> None:
        pumps = [
            # containerd (ContainerIO.Attach) closes stdin as soon as *one* of the outputs has ended: a command that
            # closes its stderr and then reads its input finds it cut.
            asyncio.ensure_future(pump_out(self._socket, channel, fd, self._fault, pipes.close_stdin))
            for channel, fd in ((channels.STDOUT, pipes.stdout), (channels.STDERR, pipes.stderr))
            if fd is not None
        ]
        try:
            if self._fault.status_first:
                await self._finish(Ended(0, ""))
            await asyncio.gather(*pumps)
            ended = Agent.ended(await future)
            if not self._fault.status_first:
                await self._finish(ended)
        finally:
            for pump in pumps:
                pump.cancel()

    async def _finish(self, ended: Ended) -> None:
        if self._fault.no_status:
            await self._socket.close()
            return
        protocol = self._protocol
        if ended.error:
            text = channels.not_started(protocol, ended.error, containerd_1=not self._place.containerd_2)
        elif ended.code == 0 or self._fault.hide_exit:
            text = channels.success(protocol)
        else:
            text = channels.exited(protocol, self._argv, ended.code)
        try:
            if text:
                await self._socket.send_bytes(bytes([channels.STATUS]) + text)
            if not self._fault.status_first:
                await self._socket.close()
        except ConnectionError:
            return  # the client went away in this moment; there is nobody to tell

    async def _client_gone(
        self, number: int, future: asyncio.Future[Any], output: asyncio.Future[None], pipes: Pipes
    ) -> None:
        """As containerd does: stdin ends, the output is held but not read, the process stays (or not, with v4 on 2.x).

        It then blocks in a write once its pipe is full: an orphan, unless something on its own side notices.
        """
        pipes.close_stdin()
        output.cancel()
        if self._place.containerd_2 and self._protocol != channels.V5:
            await self._agent.kill(number)

        def release(_: asyncio.Future[Any]) -> None:
            pipes.close()

        future.add_done_callback(release)
        await asyncio.gather(output, return_exceptions=True)
