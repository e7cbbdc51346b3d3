"""The texts of errors under anything that a pod, a server or a gateway may say."""

from __future__ import annotations

import socket
import ssl

import msgspec
import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_extcap.kube.refused import explain, refusal
from k8s_extcap.kube.unreached import unreached
from k8s_extcap.methods import tcpdump
from k8s_extcap.model import errors
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest

ANY = st.text() | st.text("\x00\x07\x1b\r\n\t \u202e\u2028\ud800\x9b", max_size=50)
SERVER = "https://api.example:6443"


def clean(sentence: str) -> None:
    assert 0 < len(sentence) <= errors.LIMIT
    assert sentence.isprintable()


@given(ANY, st.integers(1, 500))
def test_clipped_text_is_one_printable_line(text: str, limit: int) -> None:
    got = errors.clip(text, limit)
    assert len(got) <= limit
    assert got.isprintable()
    assert "  " not in got
    assert errors.clip(got, limit) == got


@given(st.lists(st.sampled_from(["a", "bc", "é", "\t", "\n", " "])))
def test_clipping_keeps_the_words(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert errors.clip(text).split() == text.split()


@pytest.mark.parametrize("cls", errors.ExtcapError.__subclasses__())
@given(text=ANY.filter(lambda t: errors.clip(t) != ""))
def test_whatever_an_error_is_made_of_it_is_a_sentence(cls: type[errors.ExtcapError], text: str) -> None:
    clean(cls(text).sentence)


STATUS = st.fixed_dictionaries(
    {}, optional={"message": ANY, "reason": ANY, "code": st.integers(), "metadata": st.just({"continue": "x"})}
).map(lambda fields: msgspec.json.encode({k: _encodable(v) for k, v in fields.items()}))


def _encodable(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


@given(st.integers(400, 599), st.binary() | STATUS, st.floats(0, 1e6))
@example(403, b"", 0.0)
@example(404, b"<html>", 0.0)
@example(500, b'{"message": "\\u001b[2J"}', 0.0)
def test_any_answer_becomes_one_of_our_errors(status: int, data: bytes, after: float) -> None:
    told = refusal(status, data, "GET /api", SERVER, after)
    clean(told.sentence)
    if isinstance(told, errors.RefusedError):
        assert (told.status, told.retry_after) == (status, after)
        clean(explain(told, "n/p", "c").sentence)


def test_a_404_that_is_no_status_is_not_taken_for_a_missing_object() -> None:
    """What deletes would count it as deleted."""
    assert isinstance(refusal(404, b"404 page not found\n", "DELETE /x", SERVER), errors.ConnectError)
    body = b'{"reason": "NotFound", "message": "pods \\"x\\" not found"}'
    told = refusal(404, body, "DELETE /x", SERVER)
    assert isinstance(told, errors.RefusedError)
    assert (told.status, told.server_text) == (404, 'pods "x" not found')


REQUEST = CaptureRequest(Name("pod", "n", "p"), filter="tcp port 80", interface="eth9")
WORDS = (
    ("tcpdump: can't parse filter expression: syntax error", 1, errors.UsageError),
    ("tcpdump: unknown host 'x'", 1, errors.UsageError),
    ("tcpdump: eth9: No such device exists", 1, errors.UsageError),
    ("tcpdump: eth0: You don't have permission to perform this capture on that device", 1, errors.RemoteError),
    ("tcpdump: Couldn't change to 'tcpdump' uid=102 gid=104: Operation not permitted", 1, errors.RemoteError),
    ("sh: 1: exec: tcpdump: not found", 127, errors.RemoteError),
    ("", 126, errors.RemoteError),
    ("", 137, errors.RemoteError),
    ("", None, errors.RemoteError),
)


@pytest.mark.parametrize(("said", "code", "cls"), WORDS)
def test_what_tcpdump_says_has_its_class(said: str, code: int | None, cls: type[errors.ExtcapError]) -> None:
    told = tcpdump.failure(said, code, "container c of pod n/p", REQUEST)
    assert type(told) is cls
    clean(told.sentence)


@given(ANY, st.none() | st.integers(0, 255), ANY, ANY)
def test_a_program_may_say_anything(said: str, code: int | None, text: str, nic: str) -> None:
    request = CaptureRequest(Name("pod", "n", "p"), filter=text, interface=nic)
    clean(tcpdump.failure(said, code, "container c of pod n/p", request).sentence)


def chained(outer: BaseException, *inner: BaseException) -> BaseException:
    before = outer
    for error in inner:
        before.__cause__ = error
        before = error
    return outer


REASONS = (
    (chained(OSError("x"), socket.gaierror(-2, "Name or service not known")), "cannot be resolved"),
    (chained(OSError("x"), ConnectionRefusedError(111, "Connection refused")), "Nobody listens"),
    (chained(OSError("x"), TimeoutError("timed out")), "did not answer in time"),
    (urllib3.exceptions.ReadTimeoutError(None, "", "Read timed out."), "did not answer in time"),  # type: ignore[arg-type]
    (chained(OSError("x"), ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")), "not speak TLS"),
    (chained(OSError("x"), ConnectionResetError(104, "Connection reset by peer")), "without an answer"),
    (OSError("Tunnel connection failed: 403 Forbidden"), "The proxy proxy.example:3128 did not connect"),
    (ValueError("something new"), "was not reached (something new)"),
)


@pytest.mark.parametrize(("error", "words"), REASONS)
def test_why_a_server_was_not_reached(error: BaseException, words: str) -> None:
    said = unreached(SERVER, error, "http://me:hunter2@proxy.example:3128")
    assert words in said
    assert SERVER in said
    assert "hunter2" not in said


def test_exceptions_that_point_at_each_other_end() -> None:
    one, two = OSError("one"), OSError("two")
    one.__cause__, two.__cause__ = two, one
    assert "was not reached" in unreached(SERVER, one)
