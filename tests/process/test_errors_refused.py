"""The API server, or something before it, answers no: faults of the demo cluster, shown by the real tshark."""

from __future__ import annotations

import asyncio
import dataclasses
import http.server
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from testbed.demo.rawclient import Client
from testbed.wait import until
from tests.golden.errors.golden import Shown, check
from tests.golden.errors.stage import Stage
from tests.process import inpod

pytestmark = [pytest.mark.tshark, pytest.mark.demo]

POD = "k8s-pod-lab.sender"
GET, EXEC, REVIEWS = r"/pods/sender$", "/exec", "/selfsubject"


class Case(NamedTuple):
    key: str
    fault: Fault
    when: str
    do: str


WAITS = "Wait, then try again."
REQUESTS = (
    Case("get-cut", Fault(Kind.REFUSE, path=GET), "The connection is cut before an answer.", "Try again."),
    Case("get-proxy", Fault(Kind.HTML_403, path=GET), "A proxy's page answers 403.", "NO_PROXY, or ask who runs it."),
    Case("get-expired", Fault(Kind.UNAUTHORIZED, path=GET), "The token expired meanwhile.", "Log in again."),
    Case("get-too-many", Fault(Kind.TOO_MANY, path=GET, seconds=1), "429 again and again.", WAITS),
    Case("get-too-many-long", Fault(Kind.TOO_MANY, path=GET, seconds=60), "429, and a long pause is asked for.", WAITS),
    Case("get-500", Fault(Kind.SERVER_ERROR, path=GET, code=500), "The API server fails.", WAITS),
    Case("get-502", Fault(Kind.SERVER_ERROR, path=GET, code=502), "A gateway fails.", WAITS),
    Case("get-504", Fault(Kind.SERVER_ERROR, path=GET, code=504), "The API server is overloaded.", WAITS),
    Case("exec-cut", Fault(Kind.REFUSE, path=EXEC), "The exec's handshake is cut.", "Let WebSockets pass."),
    Case("exec-proxy", Fault(Kind.HTML_403, path=EXEC), "A proxy refuses WebSockets.", "NO_PROXY."),
    Case("exec-expired", Fault(Kind.UNAUTHORIZED, path=EXEC), "The token expired meanwhile.", "Log in again."),
    Case("exec-too-many", Fault(Kind.TOO_MANY, path=EXEC, seconds=1), "Too many execs at once.", WAITS),
    Case("exec-500", Fault(Kind.SERVER_ERROR, path=EXEC, code=500), "The exec fails in the API server.", WAITS),
    Case("exec-502", Fault(Kind.SERVER_ERROR, path=EXEC, code=502), "The exec fails in a gateway.", "Ask who runs it."),
)  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS, ids=lambda c: c.key)
def test_a_refusal(case: Case, stage: Stage, own: DemoCluster) -> None:
    with own.fault(case.fault):
        shown = stage.show(POD)
    check(case.key, shown, case.when, case.do)
    assert "step patch" not in stage.log()  # an exec that is refused is no reason to add a container


@pytest.mark.parametrize("case", [c for c in REQUESTS if c.fault.path == EXEC], ids=lambda c: c.key)
def test_the_same_words_after_the_look(case: Case, stage: Stage, own: DemoCluster) -> None:
    """The container could be looked into, and then the capture's own exec is refused."""
    with own.fault(dataclasses.replace(case.fault, skip=1)):
        shown = stage.show(POD)
    check(case.key, shown, case.when, case.do)


def test_a_missing_create_where_reviews_say_nothing(stage: Stage, own: DemoCluster) -> None:
    """The refusal gives no reason; ours does."""
    with own.fault(Fault(Kind.SERVER_ERROR, path=REVIEWS, code=500)):
        shown = stage.show("k8s-pod-shop.edge", "--context", "demo-nocreate")
    check("exec-no-create-refused", shown, "The verb create on pods/exec is missing (rights could not be asked).",
          "Ask for the right.")  # fmt: skip


# What changes between the look and the capture


def test_a_pod_that_goes_in_this_moment(stage: Stage, own: DemoCluster) -> None:
    client = Client(own.kubeconfig)
    asyncio.run(inpod.make(client, "gone-soon"))
    shown = _delayed(stage, own, "gone-soon", lambda: asyncio.run(inpod.delete(client, "gone-soon")))
    check("exec-pod-gone", shown, "The pod goes while the capture starts.", "Refresh the list.")


def test_a_pod_replaced_by_one_with_other_containers(stage: Stage, own: DemoCluster) -> None:
    client = Client(own.kubeconfig)
    asyncio.run(inpod.make(client, "changing"))

    async def change() -> None:
        await inpod.delete(client, "changing")
        await inpod.make(client, "changing", container="other")

    shown = _delayed(stage, own, "changing", lambda: asyncio.run(change()))
    check("exec-container-gone", shown, "The pod is replaced by another of its name.", "Start again.")


def _delayed(stage: Stage, own: DemoCluster, pod: str, deed: Callable[[], None]) -> Shown:
    """The capture's exec is held up for a while; `deed` is done when it has arrived."""
    number = own.add_fault(Fault(Kind.DELAY, path=f"{pod}/exec", skip=1, times=1, seconds=5))
    process = stage.start(f"k8s-pod-lab.{pod}", "--method", "resident")
    assert until(lambda: own.fault_hits().get(number, 0) == 2, 30)
    deed()
    return stage.finish(process)


# A gateway that does not know WebSockets


@contextmanager
def gateway(own: DemoCluster) -> Iterator[str]:
    """Passes requests on to the demo cluster, but refuses every upgrade without a word."""
    context = ssl.create_default_context(cadata=own.authority())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Upgrade"):
                self._answer(403, b"", "")
                return
            self._pass(None)

        def do_POST(self) -> None:
            self._pass(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass(self, body: bytes | None) -> None:
            kept = {k: self.headers[k] for k in ("Authorization", "Content-Type") if self.headers[k]}
            request = urllib.request.Request(own.url + self.path, data=body, headers=kept, method=self.command)
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            try:
                with opener.open(request, timeout=10) as answer:
                    self._answer(answer.status, answer.read(), answer.headers["Content-Type"])
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read(), error.headers["Content-Type"])

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def test_a_gateway_that_refuses_every_upgrade(stage: Stage, own: DemoCluster) -> None:
    tree = json.loads(own.kubeconfig.read_text())
    with gateway(own) as address:
        tree["clusters"][0]["cluster"] = {"server": address}
        stage.config(json.dumps(tree))
        shown = stage.show(POD)
    check(
        "exec-no-websocket", shown, "A gateway lets no WebSocket pass, and says nothing.", "NO_PROXY; ask who runs it."
    )
