"""The remote command protocol: channels, fragments, and the status as real servers send it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.wire.channels import STDERR, STDOUT, V4, V5, Channels, Exit, parse_exit

# Recorded from a 1.36 API server.
SUCCESS = b'{"metadata":{},"status":"Success"}'
EXIT_7 = (
    b'{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 7",'
    b'"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}'
)
NO_SHELL = (
    b'{"metadata":{},"status":"Failure","message":"Internal error occurred: exec: \\"sh\\": executable file not found '
    b'in $PATH: unknown","reason":"InternalError","details":{"causes":[{"message":"exec failed"}]},"code":500}'
)


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (SUCCESS, 0, ""),
        (EXIT_7, 7, "NonZeroExitCode"),
        (NO_SHELL, None, "InternalError"),
        (b"\xff not json", None, "Unreadable"),
        (b'{"status":"\xff"}', None, "Unreadable"),
        (b"{}", None, ""),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"many"}]}}', None, ""),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"--5"}]}}', None, ""),
        ('{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"²"}]}}'.encode(), None, ""),
        (b'{"status":"Failure","details":null,"reason":"InternalError"}', None, "InternalError"),
    ],
)
def test_status(data: bytes, code: int | None, reason: str) -> None:
    end = parse_exit(data)
    assert (end.code, end.reason) == (code, reason)


def test_the_first_empty_message_is_no_end() -> None:
    channels = Channels(V5)
    assert channels.receive(memoryview(b"\x01")) == (STDOUT, memoryview(b""))
    assert not channels.receive(memoryview(b""))[1]
    assert channels.exit is None


def test_continuation_frames_belong_to_the_channel_that_began() -> None:
    channels = Channels(V5)
    assert channels.receive(memoryview(b"\x02ab")) == (STDERR, memoryview(b"ab"))
    # The first byte of a continuation is data, even if it looks like a channel.
    assert channels.receive(memoryview(b"\x01cd"), continued=True) == (STDERR, memoryview(b"\x01cd"))


@given(st.lists(st.integers(1, len(EXIT_7)), max_size=6))
def test_a_status_in_any_pieces(cuts: list[int]) -> None:
    channels = Channels(V4)
    marks = [0, *sorted(cuts), len(EXIT_7)]
    for start, end in itertools.pairwise(marks):
        channels.receive(memoryview(b"\x03" + EXIT_7[start:end]))
    assert channels.exit is not None
    assert channels.exit.code == 7


def test_only_version_5_closes_stdin() -> None:
    assert Channels(V5).close_stdin() == b"\xff\x00"
    assert Channels(V4).close_stdin() is None


def test_closing_is_noted_and_other_channels_are_survived() -> None:
    channels = Channels(V5)
    channels.receive(memoryview(b"\xff\x01"))
    assert channels.closed == {1}
    assert channels.receive(memoryview(b"\x63what"))[0] == 0x63


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_nothing_that_comes_breaks_it(messages: list[bytes]) -> None:
    channels = Channels(V5)
    for message in messages:
        channels.receive(memoryview(message))
    assert channels.exit is None or isinstance(channels.exit, Exit)


def test_a_status_without_end_is_cut() -> None:
    channels = Channels(V5)
    for _ in range(100):
        channels.receive(memoryview(b"\x03" + b"x" * 10_000))
    assert channels.exit is not None
    assert len(channels._status) == 65536
