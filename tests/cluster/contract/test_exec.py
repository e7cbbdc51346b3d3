"""pods/exec: statuses, exit codes and refused handshakes, the same on both clusters."""

from __future__ import annotations

import asyncio
import re

import pytest

from testbed.demo.rawclient import STDERR, V4, V5, Client, exec_path
from tests.cluster.contract.side import Side

ID = re.compile(r'"[0-9a-f]{64}"')
both_protocols = pytest.mark.parametrize("protocol", [V5, V4])


def _path(side: Side, *argv: str, pod: str = "", container: str = "", streams: str = "stdout stderr") -> str:
    return exec_path(side.namespace, pod or side.older, argv, container, streams)


@both_protocols
def test_the_first_message_is_empty_and_success_has_no_kind(side: Side, protocol: str) -> None:
    got = asyncio.run(side.admin.run(_path(side, "echo", "hi"), protocols=(protocol,)))
    assert got.protocol == protocol
    assert got.messages == [(1, b""), (1, b"hi\n"), (3, b'{"metadata":{},"status":"Success"}')]


@pytest.mark.parametrize(
    ("streams", "channel"), [("stdout", 1), ("stderr", 2), ("stdin", 3), ("stdin stderr", 2), ("stdin stdout", 1)]
)
def test_which_channel_says_established(side: Side, streams: str, channel: int) -> None:
    got = asyncio.run(side.admin.run(_path(side, "true", streams=streams)))
    assert got.messages[0] == (channel, b"")


@both_protocols
@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -2 $$", 130), ("nosuch", 127)])
def test_exit_codes(side: Side, protocol: str, script: str, code: int) -> None:
    got = asyncio.run(side.admin.run(_path(side, "sh", "-c", script), protocols=(protocol,)))
    inner = {
        V5: f"command terminated with exit code {code}",
        V4: f"error executing command [sh -c {script}], exit code {code}",
    }[protocol]
    assert got.status == {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {inner}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


FOLDER = "permission denied"  # of runc 1.1.5; of one built with Go 1.20 or newer, as Debian 13's, the other
NEWER_FOLDER = "is a directory"


@both_protocols
@pytest.mark.parametrize("generation", ["older", "newer"])
@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["nosuch"], 'unable to start container process: exec: "nosuch": executable file not found in $PATH'),
        ([""], 'unable to start container process: exec: "": executable file not found in $PATH'),
        (["/nope"], 'unable to start container process: exec: "/nope": stat /nope: no such file or directory'),
        (["/etc/hosts"], 'unable to start container process: exec: "/etc/hosts": permission denied'),
        (["/etc"], f'unable to start container process: exec: "/etc": {FOLDER}'),
        (
            ["/etc/hosts/x"],
            'unable to start container process: exec: "/etc/hosts/x": stat /etc/hosts/x: not a directory',
        ),
        ([], "args must not be empty"),
    ],
)
def test_a_command_that_cannot_start(side: Side, protocol: str, generation: str, argv: list[str], why: str) -> None:
    pod = side.older if generation == "older" else side.newer
    got = asyncio.run(side.admin.run(_path(side, *argv, pod=pod), protocols=(protocol,)))
    suffix = ": unknown" if generation == "older" else ""
    inner = (
        "error executing command in container: failed to exec in container: failed to start exec ID: OCI runtime exec"
        f" failed: exec failed: {why}{suffix}"
    )
    cause = f"Internal error occurred: {inner}" if protocol == V5 else inner
    status = got.status
    if argv == ["/etc"] and NEWER_FOLDER in status["message"]:
        cause = cause.replace(FOLDER, NEWER_FOLDER)
    assert ID.sub("ID", status["message"]) == f"Internal error occurred: {cause}"
    assert ID.sub("ID", status["details"]["causes"][0]["message"]) == cause
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    assert got.output() == got.output(STDERR) == b""


def test_the_oldest_protocol_speaks_text(side: Side) -> None:
    got = asyncio.run(side.admin.run(_path(side, "sh", "-c", "exit 4"), protocols=()))
    text = b"command terminated with non-zero exit code: error executing command [sh -c exit 4], exit code 4"
    assert got.messages == [(1, b""), (3, text)]
    assert asyncio.run(side.admin.run(_path(side, "true"), protocols=())).messages == [(1, b"")]


@pytest.mark.parametrize(
    ("offered", "chosen"), [((V5, V4), V5), ((V4, V5), V5), ((V4,), V4), ((V5,), V5), ((V4, "nonsense"), V4)]
)
def test_versions(side: Side, offered: tuple[str, ...], chosen: str) -> None:
    assert asyncio.run(side.admin.run(_path(side, "true"), protocols=offered)).protocol == chosen


@pytest.mark.parametrize("offered", ["nonsense", "v3.channel.k8s.io", "v2.channel.k8s.io"])
def test_an_unknown_version_is_refused_without_a_word(side: Side, offered: str) -> None:
    answer = asyncio.run(side.admin.refused(_path(side, "true"), offered))
    assert (answer.code, answer.text) == (403, "")


def test_stdin_ends_by_v5_and_counts_by_v4(side: Side) -> None:
    cat = _path(side, "cat", streams="stdin stdout")
    got = asyncio.run(side.admin.run(cat, protocols=(V5,), stdin=[b"\0hello", b"\xff\0"]))
    assert got.output() == b"hello"
    head = _path(side, "sh", "-c", "dd bs=5 count=1 iflag=fullblock", streams="stdin stdout stderr")
    got = asyncio.run(side.admin.run(head, protocols=(V4,), stdin=[b"\0he", b"\0", b"\xff\0", b"\x09odd", b"\0llo"]))
    assert (got.output(), got.status["status"]) == (b"hello", "Success")


@both_protocols
@pytest.mark.parametrize("generation", ["older", "newer"])
@pytest.mark.parametrize("closing", ["exec 2>&-", "exec 2>/dev/null"])
def test_a_command_that_closes_its_stderr_loses_its_stdin(
    side: Side, protocol: str, generation: str, closing: str
) -> None:
    """The runtime ends stdin when one of the outputs ends; the client never does here."""
    pod = side.older if generation == "older" else side.newer
    path = _path(side, "sh", "-c", f"{closing}; cat; echo end", pod=pod, streams="stdin stdout stderr")
    got = asyncio.run(asyncio.wait_for(side.admin.run(path, protocols=(protocol,)), 20))
    assert (got.output(), got.status["status"]) == (b"end\n", "Success")


def test_frames_carry_at_most_32_kib(side: Side) -> None:
    got = asyncio.run(side.admin.run(_path(side, "head", "-c", "1000000", "/dev/zero")))
    assert len(got.output()) == 1_000_000
    assert max(len(data) for channel, data in got.messages) <= 32 * 1024


REFUSED = {
    "pod missing": ({"pod": "zzz"}, 404, "NotFound", 'pods "zzz" not found'),
    "container wrong": ({"container": "zz"}, 400, "BadRequest", "container zz is not valid for pod older"),
    "not scheduled": ({"pod": "pending"}, 400, "BadRequest", "pod pending does not have a host assigned"),
    "no choice": (
        {"pod": "two"},
        400,
        "BadRequest",
        "a container name must be specified for pod two, choose one of: [main second]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("upgrade", [True, False])
def test_refused_handshakes(side: Side, case: str, upgrade: bool) -> None:
    where, code, reason, message = REFUSED[case]
    path = _path(side, "id", **where)
    answer = asyncio.run(side.admin.refused(path, V5) if upgrade else side.admin.get(path))
    assert (answer.code, answer.json["reason"], answer.json["message"]) == (code, reason, message)


def test_a_container_that_never_started_is_refused_as_text(side: Side) -> None:
    answer = asyncio.run(side.admin.refused(_path(side, "id", pod="broken"), V5))
    assert (answer.code, answer.text) == (500, 'container not found ("main")')
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_no_stream_at_all(side: Side) -> None:
    answer = asyncio.run(side.admin.refused(_path(side, "id", streams=""), V5))
    assert (answer.code, answer.text) == (400, "you must specify at least 1 of stdin, stdout, stderr")


@pytest.mark.parametrize(("method", "code"), [("GET", 400), ("POST", 400), ("PUT", 405), ("DELETE", 405)])
def test_without_an_upgrade(side: Side, method: str, code: int) -> None:
    answer = asyncio.run(side.admin.ask(method, _path(side, "id"), {} if method != "GET" else None))
    message = (
        "Upgrade request required" if code == 400 else "the server does not allow this method on the requested resource"
    )
    assert (answer.code, answer.json["message"]) == (code, message)


def test_rights(side: Side) -> None:
    path = _path(side, "id")
    answer = asyncio.run(side.dev.refused(path, V5))
    what = f'get resource "pods/exec" in API group "" in the namespace "{side.namespace}"'
    text = f'pods "older" is forbidden: User "dev" cannot {what}'
    assert (answer.code, answer.json["message"]) == (403, text)
    assert answer.json["details"] == {"name": "older", "kind": "pods"}


def test_get_without_create_is_refused_without_a_reason(side: Side) -> None:
    namespace, pod = side.nocreate_pod
    answer = asyncio.run(side.nocreate.refused(exec_path(namespace, pod, ["id"]), V5))
    assert (answer.code, answer.json["message"]) == (403, f'pods "{pod}" is forbidden: ')


@pytest.mark.parametrize(("token", "code", "reason"), [("wrong", 401, "Unauthorized"), ("", 403, "Forbidden")])
def test_credentials(side: Side, token: str, code: int, reason: str) -> None:
    stranger = Client(side.kubeconfig, token=token)
    answer = asyncio.run(stranger.refused(_path(side, "id"), V5))
    assert (answer.code, answer.json["reason"]) == (code, reason)
    assert ('User "system:anonymous"' in answer.json["message"]) is (code == 403)
