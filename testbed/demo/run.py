"""One run of the demo cluster: everything brought up in order, one line when ready, everything gone at the end."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import signal
import stat
import sys
from pathlib import Path

from aiohttp import web

from testbed.demo import certs, kubeconfig, modes, scale
from testbed.demo.agent import Agent, find_tcpdump
from testbed.demo.controllers import Controllers
from testbed.demo.faults import Faults
from testbed.demo.folder import own_folder
from testbed.demo.kubelet import Kubelet
from testbed.demo.modes import Mode
from testbed.demo.server import Server
from testbed.demo.store import Store, dump
from testbed.demo.users import make_tokens
from testbed.demo.world import World

HOST = "127.0.0.1"
# Long enough to notice that nobody reads any more, short enough for a test's end.
_SHUTDOWN_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Options:
    """`kubeconfig` empty: in a folder of its own that is removed at the end. `mode` None: the best there is."""

    kubeconfig: str = ""
    mode: Mode | None = None
    pods: int = 0
    namespaces: int = 0
    tcpdump: str = ""
    tools: tuple[str, ...] = ()
    as_json: bool = False


async def run(options: Options) -> None:
    """Runs until SIGTERM, SIGINT, or the end of stdin where that is a pipe, a socket or a terminal."""
    with own_folder() as folder:
        await _run(options, folder)


async def _run(options: Options, folder: Path) -> None:
    mode, why = (options.mode, "") if options.mode else modes.choose()
    if options.mode and (reason := modes.refusal(options.mode)):
        raise SystemExit(f"The demo cluster cannot run in mode {options.mode} here: {reason}. Leave the mode out.")
    tokens, admin = make_tokens(), secrets.token_urlsafe(24)
    pair = certs.make("127.0.0.1", ("localhost", "kubernetes"), (HOST, "::1"))
    web_pem = certs.make("web.shop.svc.cluster.local", ("web.shop.svc.cluster.local",)).server
    store, faults = Store(), Faults()
    agent = Agent(mode, folder, options.tcpdump or find_tcpdump(), options.tools)
    await agent.start()
    try:
        kubelet = Kubelet(store, agent, web_pem)
        world = World(store, kubelet)
        await world.build()
        scale.add(store, options.pods, options.namespaces)
        facts = {"mode": mode, "why": why, "node_pid": agent.pid}
        controllers = Controllers(store, kubelet)
        server = Server(store, kubelet, controllers, agent, tokens=tokens, faults=faults, admin=admin, facts=facts)
        runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0, ssl_context=certs.server_context(pair))
        await site.start()
        port = runner.addresses[0][1]
        url = f"https://{HOST}:{port}"
        path = Path(options.kubeconfig) if options.kubeconfig else folder / "kubeconfig"
        kubeconfig.write(path, kubeconfig.render(url, pair.authority, tokens))
        _announce(options, path, {**facts, "url": url, "admin_token": admin, "kubeconfig": str(path)})
        await _end_asked(agent)
        await runner.cleanup()
    finally:
        agent.close()


def _announce(options: Options, path: Path, facts: dict[str, object]) -> None:
    if options.as_json:
        print(dump(facts).decode(), flush=True)
        return
    note = f" ({facts['why']})" if facts["why"] else ""
    print(f"KUBECONFIG={path}", flush=True)
    print(f"The demo cluster runs in mode {facts['mode']}{note} until Ctrl+C.", file=sys.stderr, flush=True)


async def _end_asked(agent: Agent) -> None:
    """Also when the node is lost: a cluster without it could only hang."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    agent.on_lost = done.set
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, done.set)
    kind = os.fstat(0).st_mode
    # Not /dev/null or a file: those end at once, and mean "no input" rather than "leave".
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(0):
        loop.add_reader(0, _until_end_of_input, done)
    await done.wait()


def _until_end_of_input(done: asyncio.Event) -> None:
    if not os.read(0, 4096):
        done.set()
