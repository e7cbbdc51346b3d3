"""When a stream that was cut is tried again, and how often."""

from __future__ import annotations

import asyncio

import pytest

from k8s_extcap.model import errors
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import Meta, Pod
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest, Connection
from k8s_extcap.run import again
from k8s_extcap.run.stop import Stop, StoppedError

POD = Target("demo", "shop", Pod(Meta(name="web-1")), container="web", node="n1")


def refused(status: int) -> errors.RefusedError:
    return errors.RefusedError("No.", status=status)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    assert not again.hopeless(refused(status), 100, 1000)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert again.hopeless(refused(status), 0, 100)


def test_a_server_that_just_started_knows_nobody_yet() -> None:
    assert [again.hopeless(refused(403), 9, passed) for passed in (0, 30, 61)] == [False, False, True]


@pytest.mark.parametrize("kind", [errors.ConnectError, errors.CredentialError, errors.StreamError])
def test_a_way_that_is_broken_may_be_mended(kind: type[errors.ExtcapError]) -> None:
    assert not again.hopeless(kind("Broken."), 100, 1000)


@pytest.mark.parametrize("kind", [errors.TargetError, errors.UsageError, errors.ConfigError])
def test_what_is_gone_stays_gone(kind: type[errors.ExtcapError]) -> None:
    assert again.hopeless(kind("Gone."), 0, 0)


@pytest.mark.parametrize("kind", [errors.MethodError, errors.RemoteError])
def test_a_container_that_just_starts_is_asked_three_times(kind: type[errors.ExtcapError]) -> None:
    assert [again.hopeless(kind("Not now."), times, 0) for times in (1, 2, 3)] == [False, False, True]


def test_of_a_pod_the_very_pod_is_waited_for() -> None:
    request = CaptureRequest(Name("pod", "shop", "web-1"), connection=Connection(wait=30.0))
    assert again.same(request, POD, 200.0).connection.wait == 200.0
    assert again.same(request, POD, 10.0).connection.wait == 30.0


def test_of_a_workload_the_same_pod_comes_first_and_not_for_long() -> None:
    request = CaptureRequest(Name("deploy", "shop", "web", alias="ab12"), connection=Connection(wait=30.0))
    same = again.same(request, POD, 200.0)
    assert same.target == Name("pod", "shop", "web-1", alias="ab12")
    assert (same.container, same.connection.wait) == ("web", 30.0)


def test_a_node_stays_the_node() -> None:
    request = CaptureRequest(Name("node", name="n1"))
    assert again.same(request, Target("demo", "", Pod(), node="n1", is_node=True), 60.0).target == request.target


def test_patience_ends() -> None:
    async def tries() -> int:
        stop, patience, count = Stop(), again.Patience(2.0), 0
        while await patience.pause(stop):
            count += 1
        return count

    # Pauses of about 0.5 and 1 s fit; the next of 2 s does not.
    assert asyncio.run(tries()) in (1, 2)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    async def pause() -> bool:
        return await again.Patience(2.0).pause(Stop(), 5.0)

    assert asyncio.run(pause()) is False


def test_a_stop_ends_a_pause() -> None:
    async def pause() -> None:
        stop = Stop()
        asyncio.get_running_loop().call_soon(stop.request, "enough")
        await again.Patience(60.0).pause(stop, 30.0)

    with pytest.raises(StoppedError):
        asyncio.run(pause())
