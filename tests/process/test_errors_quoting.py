"""No text of a user is ever shell text on the far side: it arrives as the argument that it is, in dash and busybox."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.demo.rawclient import Client, exec_path
from tests.golden.errors.stage import Lane

pytestmark = [pytest.mark.demo, pytest.mark.slow]

CANARY = f"/tmp/canary-{secrets.token_hex(6)}"
PODS = (("lab", "sender", "main"), ("shop", "db-0", "db"))  # dash, busybox

HOSTILE = (
    "$(touch @)",
    "`touch @`",
    "';touch @;'",
    '";touch @;"',
    "\\';touch @;\\'",
    "tcp; touch @",
    "tcp || touch @ && touch @",
    "tcp > @",
    "tcp\ntouch @\n",
    "${x:=$(touch @)}",
    "* ~ $HOME $$ $0 $@",
    "-w @",
    "--",
    "%s%n\\n\\x00é\u2028𝄞",
)


def inside(own: DemoCluster, where: tuple[str, str, str], *argv: str) -> bytes:
    namespace, pod, container = where
    path = exec_path(namespace, pod, argv, container)
    return asyncio.run(Client(own.kubeconfig).run(path)).output()


def plant(own: DemoCluster, where: tuple[str, str, str], file: str) -> None:
    """A stand-in for tcpdump that notes its arguments, each ended by a NUL."""
    text = (
        'case " $* " in *" --version "*) echo "tcpdump version 4.9.3"; exit 0 ;;\n'
        '*" k8sx-none "*) echo "tcpdump: k8sx-none: No such device exists" >&2; exit 1 ;; esac\n'
        'printf "%s\\0" "$0" "$@" >/tmp/noted; exit 1\n'
    )
    # Without a shell in between: dd writes what the last argument prints.
    script = 'printf "#!/bin/sh\\n%s" "$2" >"$1" && chmod 755 "$1"'
    inside(own, where, "sh", "-c", script, "plant", file, text)


def noted(own: DemoCluster, where: tuple[str, str, str]) -> list[str]:
    found = inside(own, where, "cat", "/tmp/noted").decode().split("\0")[:-1]
    inside(own, where, "rm", "-f", "/tmp/noted")
    return found


def untouched(own: DemoCluster, where: tuple[str, str, str]) -> None:
    assert inside(own, where, "sh", "-c", 'ls -d "$1" 2>&1', "look", CANARY).decode().count("No such file") == 1
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("where", PODS, ids=["dash", "busybox"])
@pytest.mark.parametrize("size", [0, 1500], ids=["in the request", "through stdin"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_filter_is_one_argument(
    own: DemoCluster, tmp_path: Path, where: tuple[str, str, str], size: int, text: str
) -> None:
    wanted = text.replace("@", CANARY).strip()
    if size:
        wanted = " ".join(f"{wanted} {'or tcp ' * (size // 7)}".split())  # one line of stdin
    plant(own, where, "/tmp/notes")
    lane = Lane(tmp_path / "own", own.kubeconfig)
    lane.finish(
        lane.start(
            f"k8s-pod-{where[0]}.{where[1]}", "--method", "resident", "--tcpdump", "/tmp/notes",
            "--extcap-capture-filter", wanted,
        )
    )  # fmt: skip
    assert noted(own, where)[-2:] == ["--", wanted]
    untouched(own, where)


FILES = ("/tmp/a b", "/tmp/$(touch${IFS}@)", "/tmp/`id`'\"", "/tmp/-rf", "/tmp/é;&|")


@pytest.mark.parametrize("where", PODS, ids=["dash", "busybox"])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.usefixtures("payload")
def test_a_path_is_a_path(own: DemoCluster, tmp_path: Path, where: tuple[str, str, str], file: str) -> None:
    path = file.replace("@", CANARY.replace("/", "_"))
    plant(own, where, path)
    lane = Lane(tmp_path / "own", own.kubeconfig)
    code, stderr = lane.finish(lane.start(f"k8s-pod-{where[0]}.{where[1]}", "--method", "resident", "--tcpdump", path))
    if b"it has no tcpdump" in stderr:  # a name that the look does not take at its word: refused, and not run
        assert code == 8
        assert noted(own, where) == []
    else:
        assert noted(own, where)[0] == path
    untouched(own, where)


@pytest.mark.parametrize("where", PODS, ids=["dash", "busybox"])
def test_a_folder_for_uploads_is_a_folder(own: DemoCluster, tmp_path: Path, where: tuple[str, str, str]) -> None:
    folder = "/tmp/$(touch${IFS}" + CANARY.replace("/", "_") + ")'\"`id`"
    inside(own, where, "mkdir", "-p", folder)
    lane = Lane(tmp_path / "own", own.kubeconfig)
    lane.finish(
        lane.start(
            f"k8s-pod-{where[0]}.{where[1]}", "--method", "upload", "--upload-folder", folder, "--filter", "tcp port",
        )
    )  # fmt: skip
    untouched(own, where)
    assert inside(own, where, "sh", "-c", 'ls -A "$1"', "look", folder) == b""  # nothing stays there


@pytest.mark.parametrize("option", ["--nic", "--container", "--target", "--helper-labels"])
def test_names_with_shell_words_reach_nobody(own: DemoCluster, tmp_path: Path, option: str) -> None:
    lane = Lane(tmp_path / "own", own.kubeconfig)
    text = f"$(touch${{IFS}}{CANARY})"
    interface = "k8s-browse" if option == "--target" else "k8s-pod-lab.sender"
    code, stderr = lane.finish(lane.start(interface, option, text))
    assert code in (2, 7)
    assert stderr.count(b"\n") == 1
    untouched(own, PODS[0])


def test_a_comment_comes_back_as_it_was_written(own: DemoCluster, tmp_path: Path) -> None:
    lane = Lane(tmp_path / "own", own.kubeconfig)
    text = f"$(touch {CANARY}) `id` '\" \\ %s é"
    lane.finish(lane.start("k8s-pod-lab.sender", "--comment", text, "--limit-time", "1"))
    assert text.encode() in lane.received
    untouched(own, PODS[0])
