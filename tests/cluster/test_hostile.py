"""A pod that means harm, on the real cluster: under both container runtimes, in the shells that images have.

Its three containers call busybox ash, dash and bash `sh`; a folder at the front of their PATH is everybody's to write,
and their environment holds what shells look at.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_extcap.kube.connect import Session
from k8s_extcap.kube.exec import Command
from k8s_extcap.kube.once import run_exec
from k8s_extcap.methods import guard, probe
from k8s_extcap.model import errors
from k8s_extcap.model.request import Connection
from k8s_extcap.run.session import open_session
from testbed.cluster.handle import Cluster, PodInfo
from testbed.far import FarSide
from testbed.wait import until
from tests.fuzz import nasty
from tests.process.watched import Watched, comments

pytestmark = pytest.mark.cluster

SHELLS = ("ash", "dash", "bash")
CANARY = "/shared/canary"
TRAPS = "/shared/traps"
SHOW = ("sh", "-c", "cat /proc/$$/cmdline; :", "show")
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
RECORD = struct.pack("<IIII", 1_700_000_000, 5, 3, 3) + b"abc"


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[str]:
    cluster.need_bed("nodes to look at")
    for program in ("dash", "bash"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (Debian: dash bash)")
    name = cluster.new_namespace("hostile")
    yield name
    cluster.delete_namespace(name)


@pytest.fixture(scope="module", params=["n1", "n2"])
def pod(request: pytest.FixtureRequest, cluster: Cluster, place: str) -> PodInfo:
    """On each node one, with its shells in place."""
    name, node = f"hostile-{request.param}", request.param
    containers = [container(cluster, shell, node) for shell in SHELLS]
    spec = {
        "containers": containers,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("create", "-n", place, "-f", "-", stdin=json.dumps(body))
    found = cluster.wait_ready(name, place, 120)
    inside(cluster, found, "mkdir -p /shared/lib /shared/dash /shared/bash /shared/ash; mkdir -m 777 -p /shared/traps")
    for file, source in (("dash/sh", "/bin/dash"), ("bash/sh", "/bin/bash"), ("lib/libtinfo.so.6", tinfo())):
        put(cluster, found, f"/shared/{file}", Path(source).read_bytes())
    for shell in SHELLS:
        program = "/bin/busybox" if shell == "ash" else f"/shared/{shell}/sh"
        assert run(cluster, found, shell, "sh", "-c", "/bin/ls -l /proc/$$/exe; :").strip().endswith(program)
    return found


def container(cluster: Cluster, shell: str, node: str) -> dict[str, object]:
    variables = {
        name.decode(): value.decode() for name, value in nasty.variables(node + shell, CANARY, raw=False).items()
    }
    path = f"/shared/traps:/shared/{shell}:/usr/sbin:/usr/bin:/sbin:/bin"
    variables |= {"PATH": path, "LD_LIBRARY_PATH": "/shared/lib"}
    return {
        "name": shell,
        "image": cluster.image("tcpdump"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sleep", "1000000"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
    }


def tinfo() -> str:
    found = sorted(Path("/lib").rglob("libtinfo.so.6"))
    return str(found[0]) if found else "/dev/null"


def run(cluster: Cluster, pod: PodInfo, container: str, *argv: str, stdin: str | None = None) -> str:
    words = [
        "exec",
        "-n",
        pod.namespace,
        pod.name,
        "-c",
        container,
        *(["-i"] if stdin is not None else []),
        "--",
        *argv,
    ]
    return cluster.kubectl(*words, stdin=stdin, timeout=60)


def inside(cluster: Cluster, pod: PodInfo, script: str, *words: str, stdin: str | None = None) -> str:
    """In the container `ash`, by its busybox and nothing of its PATH's front."""
    text = f"PATH=/usr/bin:/bin; {script}"
    return run(cluster, pod, "ash", "/bin/busybox", "sh", "-c", text, "x", *words, stdin=stdin)


def put(cluster: Cluster, pod: PodInfo, file: str, content: bytes) -> str:
    """An executable file."""
    script = 'base64 -d >"$1" && chmod 755 "$1"'
    inside(cluster, pod, script, file, stdin=base64.encodebytes(content).decode())
    return file


def plant(cluster: Cluster, pod: PodInfo, name: str, body: str) -> str:
    """A stand-in for tcpdump: it answers the look as one does, and runs `body` as a capture."""
    text = (
        "#!/bin/busybox sh\nPATH=/usr/bin:/bin\n"
        'case " $* " in *" --version "*) echo "tcpdump version 4.9.3"; exit 0 ;;\n'
        '*" k8sx-none "*) echo "tcpdump: k8sx-none: No such device exists" >&2; exit 1 ;; esac\n' + body + "\n"
    )
    return put(cluster, pod, f"/shared/{name}", text.encode())


@pytest.fixture
def session(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path / "session"))
    return open_session(Connection(kubeconfig=str(cluster.admin)))


@pytest.fixture
def lane(cluster: Cluster, tmp_path: Path) -> Watched:
    return Watched(tmp_path / "own", cluster.admin)


@pytest.fixture(autouse=True)
def untouched(cluster: Cluster, pod: PodInfo) -> Iterator[None]:
    """No test leaves the file that every hostile word would make, nor traps for the next one."""
    yield
    assert inside(cluster, pod, "rm -rf /shared/traps/*; ls /shared/canary* /canary* 2>/dev/null; true") == ""


# What is said arrives


@pytest.mark.parametrize("shell", SHELLS)
def test_words_arrive_byte_for_byte(cluster: Cluster, session: Session, pod: PodInfo, shell: str) -> None:
    every = nasty.words(f"{shell} {pod.node}", 60, CANARY, raw=False, most=60)
    arrived: list[bytes] = []
    for at in range(0, len(every), 5):
        some = tuple(word.decode() for word in every[at : at + 5])
        command = Command(pod.namespace, pod.name, shell, (*guard.wrap(SHOW), *some))
        result = asyncio.run(run_exec(session, command, timeout=60))
        arrived += result.stdout.split(b"\0")[4:-1]
    assert arrived == every


@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_of_sixteen_kilobytes_arrives_byte_for_byte(
    cluster: Cluster, session: Session, pod: PodInfo, shell: str
) -> None:
    for word in nasty.words(f"line {shell} {pod.node}", 4, CANARY, raw=False):
        line = (word * (nasty.LONGEST // len(word))).replace(b"\n", b" ")
        command = Command(pod.namespace, pod.name, shell, guard.wrap(SHOW, tail="x"))
        result = asyncio.run(run_exec(session, command, line + b"\n", timeout=60))
        assert result.stdout.split(b"\0")[4:-1] == [line]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_look_takes_hostile_paths_as_they_are(session: Session, pod: PodInfo, shell: str) -> None:
    for word in nasty.words(f"look {shell} {pod.node}", 3, CANARY, raw=False, most=200):
        words = probe.command(word.decode(), word.decode()[::-1])
        command = Command(pod.namespace, pod.name, shell, words)
        result = asyncio.run(run_exec(session, command, probe.script(), timeout=60))
        assert probe.parse(shell, result.stdout.decode(errors="replace")).uid == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_an_upload_works_and_no_trap_is_sprung(cluster: Cluster, lane: Watched, pod: PodInfo, shell: str) -> None:
    for tool in ("dd", "sha256sum", "chmod", "rm", "sleep", "ls", "df", "uname", "tcpdump", "mv"):
        put(cluster, pod, f"{TRAPS}/{tool}", f"#!/bin/busybox sh\necho {tool} >>/shared/sprung\n".encode())
    interface = f"k8s-container-{pod.namespace}.{pod.name}.{shell}"
    code, said = lane.over(lane.go(interface, "--method", "upload", "--limit-time", "2"))
    assert (code, said) == (0, "")
    assert comments(lane.received)
    assert inside(cluster, pod, "cat /shared/sprung 2>/dev/null; true") == ""
    assert FarSide(cluster, pod, shell).gone(30)


# A program that means harm


def attack(cluster: Cluster, lane: Watched, pod: PodInfo, name: str, body: str, after: float = 0.0) -> tuple[int, str]:
    put(cluster, pod, "/shared/start", HEADER + RECORD)
    program = plant(cluster, pod, name, body)
    words = ("--container", "ash", "--method", "resident", "--tcpdump", program)
    return lane.over(lane.go(f"k8s-pod-{pod.namespace}.{pod.name}", *words), after=after)


def test_a_flood_of_packets_is_held_at_the_ceiling(cluster: Cluster, lane: Watched, pod: PodInfo) -> None:
    flood = "i=0; while [ $i -lt 400 ]; do tail -c +25 /shared/start; i=$((i+1)); done >/shared/flood"
    # Like every tcpdump it outlives the question for its counts.
    body = f"trap '' USR1; {flood}; cat /shared/start; while :; do cat /shared/flood; done"
    code, said = attack(cluster, lane, pod, "floods", body, after=8)
    assert (code, said) == (0, "")
    assert lane.octets > 500_000
    assert FarSide(cluster, pod, "ash").gone(30)


@pytest.mark.parametrize("words", ["exec yes 'something is wrong' >&2", r"exec tr '\000' x </dev/zero >&2"])
def test_endless_words_end_it(cluster: Cluster, lane: Watched, pod: PodInfo, words: str) -> None:
    code, said = attack(cluster, lane, pod, "talks-tcpdump", words)
    assert code == errors.RemoteError.exit_code
    assert "on standard error" in said
    assert FarSide(cluster, pod, "ash").gone(60)


def test_a_packet_of_four_gigabytes_ends_it(cluster: Cluster, lane: Watched, pod: PodInfo) -> None:
    large = r"printf '\001\000\000\000\000\000\000\000\377\377\377\377\377\377\377\377'"
    code, said = attack(cluster, lane, pod, "large-tcpdump", f"cat /shared/start; {large}; exec cat /dev/zero")
    assert code == errors.StreamError.exit_code
    assert "a packet of 4294967295 bytes" in said
    assert lane.received.count(b"abc") == 1
    assert FarSide(cluster, pod, "ash").gone(60)


def test_a_tcpdump_that_ignores_every_signal_is_ended_after_a_stop(
    cluster: Cluster, lane: Watched, pod: PodInfo
) -> None:
    body = "trap '' INT TERM HUP USR1 USR2 PIPE; cat /shared/start; while :; do sleep 1; done"
    code, said = attack(cluster, lane, pod, "stays-tcpdump", body, after=4)
    assert (code, said) == (0, "")
    assert FarSide(cluster, pod, "ash").gone(60)


def test_a_tcpdump_whose_child_holds_the_stream_ends_it_all_the_same(
    cluster: Cluster, lane: Watched, pod: PodInfo
) -> None:
    code, said = attack(cluster, lane, pod, "forks-tcpdump", "cat /shared/start; sleep 60 & exit 4")
    assert code in (errors.RemoteError.exit_code, errors.StreamError.exit_code)
    assert said


def test_forged_words_and_escapes_change_nothing(cluster: Cluster, lane: Watched, pod: PodInfo) -> None:
    mark, escape = guard.MARK.encode(), b"\x1b]0;owned\x07\x1b[2J\n"
    said_there = b"".join(mark + word + b"\n" for word in (b"ready", b"need /etc/shadow", b"rc=0", b"bad x"))
    put(cluster, pod, "/shared/forged", said_there + escape + (mark + b"need -\n") * 1000)
    body = "cat /shared/forged >&2; cat /shared/start; sleep 2; cat /shared/forged >&2; exit 3"
    code, said = attack(cluster, lane, pod, "forges-tcpdump", body)
    assert code in (errors.RemoteError.exit_code, errors.StreamError.exit_code)
    assert said
    assert b"abc" in lane.received


def test_a_link_in_the_place_of_an_upload_is_not_followed(cluster: Cluster, lane: Watched, pod: PodInfo) -> None:
    """Here the shell itself, of the application's folder, makes the link before ours begins."""
    trap = (
        "#!/bin/busybox sh\nPATH=/usr/bin:/bin\necho mine >/shared/data\n"
        'for a in "$@"; do case $a in (/tmp/k8s-extcap-*) ln -s /shared/data "$a";; esac; done\n'
        'exec /bin/busybox sh "$@"\n'
    )
    put(cluster, pod, f"{TRAPS}/sh", trap.encode())
    interface = f"k8s-container-{pod.namespace}.{pod.name}.ash"
    code, said = lane.over(lane.go(interface, "--method", "upload", "--upload-folder", "/tmp"))
    assert code == errors.RemoteError.exit_code
    assert "k8s-extcap-" in said
    assert inside(cluster, pod, "cat /shared/data") == "mine\n"
    assert until(lambda: not FarSide(cluster, pod, "ash").files(), 30)


def test_a_shell_with_a_banner_is_told(cluster: Cluster, lane: Watched, pod: PodInfo) -> None:
    banner = "#!/bin/busybox sh\nprintf 'Welcome!\\n\\033]0;owned\\007\\n'\nexec /bin/busybox sh \"$@\"\n"
    put(cluster, pod, f"{TRAPS}/sh", banner.encode())
    interface = f"k8s-container-{pod.namespace}.{pod.name}.ash"
    code, said = lane.over(lane.go(interface, "--method", "resident"))
    assert code == errors.RemoteError.exit_code
    assert "Welcome!" in said
