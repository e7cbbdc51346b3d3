"""A pod whose shell and tools mean harm: a folder at the front of its PATH is the application's to write.

The capture's own shell may be one of those; what it may not do is reach anything of ours, and what is not the shell
may not run at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_extcap.model import errors
from testbed.demo.cluster import DemoCluster
from testbed.demo.modes import Mode
from testbed.demo.rawclient import Client
from testbed.wait import until
from tests.process import inpod
from tests.process.inpod import Place, put, shell
from tests.process.watched import Watched, comments

pytestmark = [pytest.mark.demo, pytest.mark.slow, pytest.mark.usefixtures("payload")]

TRAPS = "/tmp/traps"
TOOLS = ("dd", "sha256sum", "chmod", "rm", "sleep", "mv", "uname", "df", "ls", "tcpdump", "cat", "grep", "kill")
SPRUNG = f"{TRAPS}/sprung"
VICTIM = "/tmp/application-data"
REACHED = (0, errors.RemoteError.exit_code, errors.MethodError.exit_code, errors.StreamError.exit_code)


@pytest.fixture
def pod(own: DemoCluster) -> Iterator[Place]:
    """A pod with the traps' folder in front of its PATH, and nothing in it yet."""
    if own.mode is Mode.REPLAY:
        pytest.skip("the pods of this machine are no real processes")
    client = Client(own.kubeconfig)
    path = f"{TRAPS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    made = asyncio.run(inpod.make(client, "trapped", image="shell", env={"PATH": path}))
    shell(own, 'mkdir -m 777 "$1"', TRAPS, place=made)
    yield made
    asyncio.run(inpod.delete(client, "trapped"))


@pytest.fixture
def lane(own: DemoCluster, tmp_path: Path) -> Watched:
    return Watched(tmp_path / "own", own.kubeconfig)


def sprung(own: DemoCluster, pod: Place) -> str:
    return shell(own, f"/bin/cat {SPRUNG} 2>/dev/null", place=pod).decode()


def left(own: DemoCluster, pod: Place) -> str:
    """Our files in every place that an upload may take."""
    found = "for f in /tmp/k8s-ext* /dev/k8s-ext* /var/tmp/k8s-ext* /k8s-ext*; do [ -e $f ] && echo $f; done"
    return shell(own, found, place=pod).decode()


def test_tools_in_a_folder_that_anybody_may_write_are_not_run(own: DemoCluster, lane: Watched, pod: Place) -> None:
    for tool in TOOLS:
        put(own, f"{TRAPS}/{tool}", f'#!/bin/sh\necho {tool} >>{SPRUNG}\nexec /usr/bin/{tool} "$@"\n', pod)
    assert shell(own, "uname", place=pod)
    assert sprung(own, pod) == "uname\n"  # the traps work
    shell(own, f"/bin/rm -f {SPRUNG}", place=pod)
    assert lane.over(lane.go(pod.interface, "--method", "upload"), after=3) == (0, "")
    assert comments(lane.received)  # it did capture
    # Another user than root (in pods of an ordinary user's own) looks at the tcpdump that is in its PATH, wherever.
    assert set(sprung(own, pod).split()) == ({"tcpdump"} if own.mode is Mode.USERNS else set())
    assert until(lambda: left(own, pod) == "", 20)


LINKS = {
    "a file": f"echo mine >{VICTIM}; ln -s {VICTIM}",
    "nowhere": f"rm -f {VICTIM}; ln -s {VICTIM}",
    "a folder": f"mkdir -p {VICTIM}.d; ln -s {VICTIM}.d",
    "a pipe": f"rm -f {VICTIM}.p; mkfifo {VICTIM}.p 2>/dev/null || : >{VICTIM}.p; ln -s {VICTIM}.p",
    "nothing: a file": "echo theirs | tee",
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_in_the_place_of_an_upload_is_not_followed(
    own: DemoCluster, lane: Watched, pod: Place, kind: str
) -> None:
    """Whoever sees the arguments of our shell knows the file's name before it is made; here that is the shell."""
    trap = (
        "#!/bin/sh\nPATH=/usr/bin:/bin\n"
        f'for a in "$@"; do case $a in (/tmp/k8s-extcap-*) [ -e "$a" ] || {LINKS[kind]} "$a" >/dev/null;; esac; done\n'
        'exec /bin/sh "$@"\n'
    )
    put(own, f"{TRAPS}/sh", trap, pod)
    code, said = lane.over(lane.go(pod.interface, "--method", "upload", "--upload-folder", "/tmp"))
    assert code == errors.RemoteError.exit_code
    assert "k8s-extcap-" in said
    assert shell(own, f"/bin/cat {VICTIM} 2>&1", place=pod).decode().strip() in (
        ("mine",) if kind == "a file" else ("mine", f"cat: {VICTIM}: No such file or directory",
                                            f"/bin/cat: {VICTIM}: No such file or directory")
    )  # fmt: skip


SHELLS = {
    "a banner": r"""printf 'Welcome!\n\033]0;owned\007\nuid=0\nmachine=\033[31m\n'; exec /bin/sh "$@" """,
    "an endless banner": "exec yes Welcome",
    "endless words": "exec yes Welcome >&2",
    "nothing": "exec /bin/sleep 1000",
    "an end": "exit 0",
    "forged answers": r"""while :; do printf 'nic=0x1003 \033[2J\nplace=tmpfs 999999999 /etc\ntcpdump=/tmp/x\nuid=0\n'
printf 'tool=dd\ntool=rm\ntool=sleep\ntool=chmod\ntool=sha256sum\ncap_eff=ffffffffffffffff\nmachine=x86_64\n'; done""",
}


@pytest.mark.parametrize("kind", SHELLS)
def test_a_shell_that_is_something_else(own: DemoCluster, lane: Watched, pod: Place, kind: str) -> None:
    put(own, f"{TRAPS}/sh", f"#!/bin/sh\n{SHELLS[kind]}\n", pod)
    code, said = lane.over(lane.go(pod.interface, "--method", "upload", "--timeout", "3", "--wait", "3"))
    assert code in REACHED
    assert said
    assert "\x1b" not in said
