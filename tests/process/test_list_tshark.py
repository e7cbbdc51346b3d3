"""Which interfaces real tsharks get, by their command line; the parser itself has its table in
tests/unit/test_argv_parent.py. The catalog is written beforehand, so no cluster is needed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from k8s_extcap.setup import launcher
from testbed.wireshark.tshark import Tshark

A, B = "k8s-pod-shop.web-1", "k8s-pod-shop.db-0"
ROWS = {A: "web-1, shop, running, 10.0.0.1", B: "db-0, shop, not ready"}
UNLISTED = "k8s-pod-prod.api-7d9f"

ALL = {"k8s-browse", A, B}
NONE: set[str] = set()


class Seat:
    """A tshark with our extcap installed, its calls counted by a shell in front of it."""

    def __init__(self, host: Tshark) -> None:
        self.host = host
        desk = host.desk
        self._calls = desk.home / "calls"
        real = desk.write("launcher", self._launcher(), mode=0o755)
        # What was answered is kept: `list` shows what this tshark was told, not what it prints.
        log = shlex.quote(str(self._calls))
        spy = f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {log}\ncase $* in *--extcap-interfaces*)\n"
        spy += f'  {shlex.quote(str(real))} "$@" | tee {shlex.quote(str(desk.home / "answer"))} ;;\n'
        spy += f'*) exec {shlex.quote(str(real))} "$@" ;;\nesac\n'
        desk.install(spy)
        self._fill(ROWS)

    def _launcher(self) -> str:
        desk = self.host.desk
        return launcher.render(str(desk.python), str(desk.checkout / "k8s_extcap/__main__.py"), {})

    def _fill(self, rows: dict[str, str]) -> None:
        """Writes the catalog as this user, by the same code, far from being stale."""
        text = (
            "import sys, time; sys.path.insert(0, sys.argv[1])\n"
            "from k8s_extcap.edge import catalog\n"
            "from k8s_extcap.wireshark import sentences as s\n"
            "rows = [tuple(line.split('\\t')) for line in sys.argv[2].split('\\n') if line]\n"
            "answer = s.extcap() + s.interface('k8s-browse', s.BROWSE) + ''.join(s.interface(*r) for r in rows)\n"
            "catalog.store(catalog.Header(int(time.time()) + 3000, catalog.stamp(), 'c', 'c-0'), answer)\n"
        )
        lines = "\n".join(f"{name}\t{display}" for name, display in rows.items())
        python, checkout = str(self.host.desk.python), str(self.host.desk.checkout)
        done = self.host.other(python, "-I", "-S", "-c", text, checkout, lines)
        assert done.returncode == 0, done.stderr

    def run(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        self._calls.unlink(missing_ok=True)
        return self.host.run(*words, env=env)

    @property
    def told(self) -> set[str]:
        """The interfaces of the last list answer."""
        return set(
            re.findall(r"^interface \{value=([^}]*)\}", (self.host.desk.home / "answer").read_text(), re.MULTILINE)
        )

    @property
    def configured(self) -> set[str]:
        """The interfaces whose options were asked for."""
        return set(re.findall(r"--extcap-config --extcap-interface (\S+)", self._calls.read_text()))


@pytest.fixture
def seat(tshark: Tshark) -> Seat:
    """In a network of its own, and without a cluster: a capture ends with our sentence at once."""
    return Seat(Tshark(replace(tshark.desk, offline=True)))


# Words, what is listed, and whether the capture reaches us.
TABLE = [
    (["-i", A], {A}, A),
    ([f"-i{A}"], {A}, A),
    ([f"-qni{A}"], {A}, A),
    ([f"--interface={A}"], {A}, A),
    (["--interface", A], {A}, A),
    (["--interf", A], {A}, A),
    (["-i", A.upper()], {A}, A),
    (["-i", UNLISTED], {UNLISTED}, UNLISTED),
    (["-i", A, "-i", UNLISTED], {A, UNLISTED}, A),
    (["-f", "-iX", "-i", A], {A}, A),
    (["-i", ROWS[A]], ALL, A),
    (["-i", A, "-o", "extcap.k8s_pod_shop_web_1.snaplen:96"], {A}, A),
    (["-i", A, "-o", "extcap.k8s_pod_prod_api_7d9f.snaplen:96"], {A, UNLISTED}, A),
    (["-i", "lo", "-a", "duration:1"], NONE, ""),
    (["-i", "/no/such/fifo", "-a", "duration:1"], NONE, ""),
    (["-D"], ALL, ""),
    (["-L", "-i", A], ALL, ""),
    (["-i", "k8s-pod-nothing"], ALL, ""),
    (["-i", "no-such-nic"], ALL, ""),
]


@pytest.mark.slow
def test_the_table(seat: Seat) -> None:
    for words, listed, captured in TABLE:
        done = seat.run(*words)
        assert seat.told == listed, f"tshark {shlex.join(words)} was told {seat.told}: {done.stderr}"
        assert seat.configured >= listed, f"tshark {shlex.join(words)} did not read {listed - seat.configured}"
        assert "unknown preference" not in done.stderr
        if captured:
            ours = "kubeconfig" in done.stderr  # the capture was ours, and says what it lacks
            assert ours, f"tshark {shlex.join(words)}: {done.stderr}"
            assert captured in done.stderr


def test_by_its_number(seat: Seat) -> None:
    rows = seat.run("-D").stdout.splitlines()
    number = next(row.partition(".")[0] for row in rows if f" {A} " in row)
    done = seat.run("-i", number)
    assert seat.told == ALL
    assert "kubeconfig" in done.stderr


def test_4_6_has_another_word_for_interface(seat: Seat) -> None:
    done = seat.run(f"--source={A}")
    if seat.host.version == "4.6":
        assert "kubeconfig" in done.stderr
    assert seat.told == {A} if (seat.host.desk.home / "answer").exists() else seat.host.version != "4.6"


@pytest.mark.parametrize(
    "around",
    [
        ["sh", "-c", 'tshark "$@"', "sh"],
        ["sh", "-c", 'tshark "$@"; exit $?', "sh"],
        ["env", "A=b"],
        ["timeout", "50"],
        ["nice"],
    ],
)
def test_started_by_others(seat: Seat, around: list[str]) -> None:
    words = around if around[0] == "sh" else [*around, "tshark"]
    done = seat.host.other(*words, "-i", A)
    assert seat.told == {A}
    assert "kubeconfig" in done.stderr


def test_python_starts_it_as_pyshark_does(seat: Seat) -> None:
    text = "import subprocess, sys; subprocess.run(['tshark', '-l', '-n', '-T', 'pdml', *sys.argv[1:]])"
    python = str(seat.host.desk.python)
    done = seat.host.other(python, "-I", "-S", "-c", text, "-i", A, "-c", "1")
    assert seat.told == {A}
    assert "kubeconfig" in done.stderr


@pytest.mark.tshark
def test_without_proc_everything_is_listed(tshark_native: Tshark) -> None:
    """hidepid, another system: the command line cannot be read. Here /proc is covered by an empty folder."""
    seat = Seat(tshark_native)
    hidden = "mount -t tmpfs none /proc && exec tshark -i lo -a duration:1"
    done = seat.host.other("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", hidden)
    if "unshare failed" in done.stderr:
        pytest.skip("this machine refuses user namespaces, which hide /proc for one tshark.")
    assert seat.told == ALL


def test_rows_are_as_many_as_were_meant_whatever_they_are_called(seat: Seat) -> None:
    hostile = ["br{ace}x", "{display=other}", "a } {value=x}", "tab\there", "ünïcode → ✓", "\u202egnirts", "x" * 300]
    rows = {f"k8s-pod-shop.p-{number}": f"{text}, shop" for number, text in enumerate(hostile)}
    rows["k8s-pod-" + "n" * 63 + "." + "p" * 126] = "p" * 180 + ", n"
    seat._fill({name: display.replace("\t", " ") for name, display in rows.items()})
    printed = seat.run("-D").stdout.splitlines()
    names = [line.split()[1] for line in printed if line.split()[1].startswith("k8s-")]
    assert sorted(names) == sorted([*rows, "k8s-browse"])


def test_a_catalog_that_is_due_is_shown_and_renewed_by_somebody_else(seat: Seat) -> None:
    """The refresher outlives the list call and is not waited for; without a kubeconfig it keeps what was listed."""
    folder = seat.host.desk.home / ".cache/k8s-extcap/catalog/default"
    text = (folder / "list").read_text()
    header, _, body = text.partition("\n")
    fields = header.split("\t")
    fields[1] = "1"
    seat.host.desk.write(folder / "list", "\t".join(fields) + "\n" + body)
    seat.run("-D")
    assert seat.told == ALL
    deadline = time.monotonic() + 30
    while (folder / "list").read_text().startswith("\t".join(fields[:2]) + "\t") and time.monotonic() < deadline:
        time.sleep(0.1)
    status = Path(folder / "status").read_text()
    assert "There is no kubeconfig" in status


def test_a_program_means_the_context_whose_rows_it_was_shown(seat: Seat) -> None:
    """The same name in two contexts, the other one listed meanwhile: this tshark still means what it was told."""
    folder = seat.host.desk.home / ".cache/k8s-extcap/catalog/default"
    rows = [
        "\t".join((A, name, f"{name}-0", f"https://{name}.invalid:6443", "", "shop", str(int(time.time()))))
        for name in ("b", "c")
    ]
    seat.host.desk.write(folder / "origins", "\n".join(rows) + "\n")
    config = "apiVersion: v1\nkind: Config\ncurrent-context: b\nclusters:\n" + "".join(
        f"- {{name: {name}, cluster: {{server: 'https://{name}.invalid:6443'}}}}\n" for name in ("b", "c")
    )
    config += "contexts:\n" + "".join(f"- {{name: {n}, context: {{cluster: {n}, user: u}}}}\n" for n in ("b", "c"))
    seat.host.desk.write(".kube/config", config + "users:\n- {name: u, user: {token: t}}\n")
    done = seat.run("-i", A)
    assert "c.invalid" in done.stderr  # its list was of context c, and b is the current one by now
    assert "b.invalid" not in done.stderr
