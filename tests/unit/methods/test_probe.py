"""The probe's text in three real shells, and its parser against whatever a pod may print."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s_extcap.methods import probe
from k8s_extcap.model.plan import ContainerFacts, Place

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "bash-plain": ["bash"], "busybox": ["busybox", "ash"]}


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    if subprocess.run(["sh", "-c", "command -v " + words[0]], capture_output=True, check=False).returncode:
        pytest.skip(f"{words[0]} is not installed")
    return words


def run(shell: list[str], folder: str = "", tcpdump: str = "", *, nics_only: bool = False, **env: str) -> str:
    argv = shell + list(probe.command(folder, tcpdump)[1:])
    done = subprocess.run(
        argv,
        input=probe.script(nics_only=nics_only),
        capture_output=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"], **env},
    )
    assert done.returncode == 0
    assert done.stderr == b""
    return done.stdout.decode()


def test_what_it_says_about_this_process(shell: list[str]) -> None:
    facts = probe.parse("c", run(shell))
    assert facts.shell is True
    assert facts.uid == os.geteuid()
    status = Path("/proc/self/status").read_text()
    assert facts.cap_eff == int(status.partition("CapEff:")[2].split()[0], 16)
    assert facts.machine == platform.machine()
    assert set(facts.tools) >= {"dd", "sha256sum", "chmod", "rm", "mv", "sleep"}
    assert facts.nics


def test_it_leaves_no_file(shell: list[str], tmp_path: Path) -> None:
    facts = probe.parse("c", run(shell, str(tmp_path)))
    assert [p.path for p in facts.places] == [str(tmp_path)]
    assert facts.places[0].free
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "owner", "place"), [(0o777, 0, False), (0o1777, 0, True), (0o755, 0, True), (0o775, 0, False),
                                 (0o1777, 7, False), (0o700, 7, False)],
)  # fmt: skip
def test_root_uploads_only_where_nobody_else_can_exchange_a_file(
    shell: list[str], tmp_path: Path, mode: int, owner: int, place: bool
) -> None:
    if os.geteuid():
        pytest.skip("it is about root")
    folder = tmp_path / "here"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, owner, owner)
    script = probe.script().replace(b"place /tmp; place /var/tmp\n", b'place "$HERE"\n')
    argv = [*shell, *probe.command()[1:]]
    env = {"PATH": os.environ["PATH"], "HERE": str(folder)}
    done = subprocess.run(argv, input=script, capture_output=True, timeout=30, check=True, env=env)
    assert (str(folder) in [p.path for p in probe.parse("c", done.stdout.decode()).places]) is place
    assert [p.path for p in probe.parse("c", run(shell, str(folder))).places] == [str(folder)]  # asked for


def test_a_folder_that_is_not_there_is_no_place(shell: list[str], tmp_path: Path) -> None:
    assert probe.parse("c", run(shell, str(tmp_path / "none"))).places == ()


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("mounting needs root")
    options = {"noexec": "noexec", "readonly": "ro", "good": "size=8m"}
    for name, option in options.items():
        (tmp_path / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", str(tmp_path / name)], check=True)
    yield tmp_path
    for name in options:
        subprocess.run(["umount", str(tmp_path / name)], check=True)


def test_places_must_be_writable_and_executable(shell: list[str], mounts: Path) -> None:
    for name in ("noexec", "readonly"):
        assert probe.parse("c", run(shell, str(mounts / name))).places == (), name
    place = probe.parse("c", run(shell, str(mounts / "good"))).places[0]
    assert place == Place(str(mounts / "good"), 8 << 20, tmpfs=True)


def test_it_names_the_programs_version_and_whether_it_may(shell: list[str], tmp_path: Path) -> None:
    program = tmp_path / "my tcpdump"
    program.write_text(
        '#!/bin/sh\n[ "$1" != --version ] || { echo "tcpdump version 4.99.3 (with odd words)"; exit; }\n'
        'echo "tcpdump: x: You don\'t have permission to perform this capture" >&2; exit 1\n'
    )
    program.chmod(0o755)
    text = run(shell, tcpdump=str(program))
    assert f"tcpdump={program}\n" in text
    facts = probe.parse("c", text.replace(str(program), "/usr/bin/tcpdump"))
    assert facts.tcpdump == "/usr/bin/tcpdump"
    assert facts.tcpdump_version == (4, 99, 3)
    assert facts.tcpdump_caps is False
    users = [line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()]
    assert facts.tcpdump_user == ("tcpdump" in users)


def test_a_program_that_reads_its_input_does_not_eat_the_text(shell: list[str], tmp_path: Path) -> None:
    program = tmp_path / "tcpdump"
    program.write_text('#!/bin/sh\ncat >/dev/null\necho "tcpdump version 4.9.3"\n')
    program.chmod(0o755)
    assert probe.parse("c", run(shell, tcpdump=str(program))).tcpdump_version == (4, 9, 3)


def test_an_image_without_tools_still_answers(shell: list[str], tmp_path: Path) -> None:
    absolute = subprocess.run(["which", shell[0]], capture_output=True, text=True, check=True).stdout.strip()
    text = subprocess.run(
        ["env", "-i", "PATH=" + str(tmp_path), absolute, *shell[1:], "-s", "--", "", ""],
        input=probe.script().replace(b"/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}:/usr/local/sbin", b"$PATH"),
        capture_output=True,
        check=True,
    ).stdout.decode()
    facts = probe.parse("c", text)
    assert facts.uid == os.geteuid()
    # Busybox finds its own applets without a PATH, as it would in a container.
    assert facts.places == () or shell[0] == "busybox"


def test_only_the_interfaces_for_the_dialog(shell: list[str]) -> None:
    text = run(shell, nics_only=True)
    names = [n.name for n in probe.nics(text)]
    assert sorted(names) == sorted(p.name for p in Path("/sys/class/net").iterdir() if (p / "flags").exists())
    assert names[-1] == "lo" or "lo" not in names
    assert {line.partition("=")[0] for line in text.splitlines()} <= {"nic", "route", "end"}


def test_the_default_route_comes_first_and_what_is_down_late() -> None:
    text = "nic=0x9 lo\nnic=0x1002 eth0\nnic=0x1003 net1\nnic=0x1003 cni0\nroute=cni0\nend=1\n"
    assert [n.name for n in probe.nics(text)] == ["cni0", "net1", "eth0", "lo"]
    assert probe.parse("c", text).nics == ("cni0", "net1", "lo")


@pytest.mark.parametrize(
    ("lines", "limit", "used", "millis"),
    [
        ("memory_max=33554432\nmemory_used=20000000\nmemory_cache=5000000\n", 33554432, 15000000, None),
        ("memory_max=max\nmemory_used=20000000\ncpu_max=max 100000\n", None, 20000000, None),
        ("memory_max=9223372036854771712\nmemory_used=1\ncpu_quota=-1\ncpu_period=100000\n", None, 1, None),
        ("cpu_max=5000 100000\n", None, None, 50),
        ("cpu_quota=150000\ncpu_period=100000\n", None, None, 1500),
        ("cpu_quota=5000\ncpu_period=0\n", None, None, None),
        ("memory_used=10\nmemory_cache=3\nmemory_cache=30\n", None, 0, None),
    ],
)
def test_limits_of_both_cgroup_versions(lines: str, limit: int | None, used: int | None, millis: int | None) -> None:
    facts = probe.parse("c", lines)
    assert (facts.memory_limit, facts.memory_used, facts.cpu_millis) == (limit, used, millis)


HOSTILE = st.lists(
    st.tuples(
        st.sampled_from(
            "uid cap_eff machine tool tcpdump tcpdump_version tcpdump_may nic route place memory_max memory_used "
            "memory_cache cpu_max cpu_quota cpu_period end".split()
        ),
        st.text(max_size=60)
        | st.from_regex(r"[0-9a-fx -]{0,30}|tmpfs [0-9]{0,30} /.{0,9}|0x1 .{0,20}", fullmatch=True),
    )
).map(lambda pairs: "".join(f"{k}={v}\n" for k, v in pairs))


@given(HOSTILE | st.text())
@settings(max_examples=400)
def test_any_answer_gives_bounded_facts(text: str) -> None:
    facts = probe.parse("c", text)
    assert isinstance(facts, ContainerFacts)
    assert len(facts.places) <= probe.PLACES
    assert all(p.path.startswith("/") and p.path.isprintable() and len(p.path) <= 201 for p in facts.places)
    assert all(n.isascii() and n.isprintable() and 0 < len(n) <= 15 and "/" not in n for n in facts.nics)
    assert len(facts.nics) <= 256
    assert len(facts.machine) <= 32
    assert facts.tcpdump == "" or facts.tcpdump.startswith("/")
    for number in (facts.uid, facts.cap_eff, facts.memory_limit, facts.memory_used):
        assert number is None or 0 <= number < 1 << 64


@given(st.integers(min_value=0, max_value=400))
def test_an_answer_cut_anywhere_is_a_part_of_the_whole(cut: int) -> None:
    text = (
        "nic=0x1003 eth0\nuid=1000\ncap_eff=00000000a80425fb\nmachine=x86_64\ntool=dd\ntcpdump=/usr/bin/tcpdump\n"
        "tcpdump_version=tcpdump version 4.99.3\nmemory_max=33554432\nmemory_used=100\nplace=tmpfs 64 /dev\nend=1\n"
    )
    whole, part = probe.parse("c", text), probe.parse("c", text[:cut])
    for name in ("uid", "cap_eff", "machine", "tcpdump", "tcpdump_version", "memory_limit", "tools", "places"):
        value = getattr(part, name)
        assert value in (getattr(whole, name), None, "", ())
