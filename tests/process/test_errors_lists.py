"""Lists in pages while the server compacts: each object once, and an end in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from k8s_extcap.kube.api import Api
from k8s_extcap.model.errors import RefusedError
from k8s_extcap.model.objects import PodList
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind

pytestmark = pytest.mark.demo

PODS = "/api/v1/pods"
NEXT = "continue="


@pytest.fixture(scope="module")
def own(demo_factory: Callable[..., AbstractContextManager[DemoCluster]]) -> Iterator[DemoCluster]:
    with demo_factory(scale="300x7") as cluster:
        yield cluster


@pytest.fixture
def api(own: DemoCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    yield open_session(Connection(kubeconfig=str(own.kubeconfig))).api
    own.clear_faults()


def names(pages: Iterator[PodList]) -> list[str]:
    return [f"{pod.metadata.namespace}/{pod.metadata.name}" for page in pages for pod in page.items]


def test_a_list_that_expires_between_its_pages_has_each_object_once(api: Api, own: DemoCluster) -> None:
    whole = names(api.pages(PODS, PodList))
    assert len(whole) > 300
    pages = api.pages(PODS, PodList, limit=50)
    first = next(pages)
    own.forget()
    found = names(iter([first])) + names(pages)
    assert sorted(found) == sorted(whole)


def test_one_that_expires_again_and_again_ends(api: Api, own: DemoCluster) -> None:
    with own.fault(Fault(Kind.GONE, path=NEXT)) as number, pytest.raises(RefusedError) as caught:
        list(api.pages(PODS, PodList, limit=50))
    assert caught.value.status == 410
    assert own.fault_hits().get(number, 4) <= 4


def test_it_goes_on_where_the_server_says(api: Api, own: DemoCluster) -> None:
    """The answer of a real server has a token for the rest (metadata.continue of the Status)."""
    asked: list[str] = []
    page = {"metadata": {"continue": "old"}, "items": [{"metadata": {"name": "a", "namespace": "n"}}]}
    rest = {"metadata": {}, "items": [{"metadata": {"name": "b", "namespace": "n"}}]}
    gone = {
        "message": "The provided continue parameter is too old",
        "reason": "Expired",
        "metadata": {"continue": "new"},
    }
    answers = {"": (200, page), "old": (410, gone), "new": (200, rest)}

    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread
    from urllib.parse import parse_qs, urlsplit

    import urllib3

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("continue", [""])[0]
            asked.append(token)
            code, body = answers[token]
            data = msgspec.json.encode(body)
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Tests are silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, urllib3.PoolManager() as pool:
        thread = Thread(target=server.serve_forever)
        thread.start()
        here = Api(pool, f"http://127.0.0.1:{server.server_port}", {}, 5)
        assert names(here.pages(PODS, PodList)) == ["n/a", "n/b"]
        server.shutdown()
        thread.join()
    assert asked == ["", "old", "new"]


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_pause_the_server_asks_for_is_made(api: Api, own: DemoCluster, seconds: int) -> None:
    with own.fault(Fault(Kind.TOO_MANY, path=PODS, times=2, seconds=seconds)) as number:
        assert len(names(api.pages(PODS, PodList))) > 300
        assert own.fault_hits()[number] == 2


def test_a_long_pause_is_told_and_not_made(api: Api, own: DemoCluster) -> None:
    with own.fault(Fault(Kind.TOO_MANY, path=PODS, seconds=60)) as number, pytest.raises(RefusedError) as caught:
        list(api.pages(PODS, PodList))
    assert caught.value.retry_after == 60
    assert own.fault_hits().get(number, 1) == 1
