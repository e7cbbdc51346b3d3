"""The commands as people type them, against the demo cluster."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.demo.cluster import DemoCluster

ROOT = Path(__file__).parents[2]
CODE = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"


class Shell:
    def __init__(self, home: Path, kubeconfig: str) -> None:
        self.environment = {
            **os.environ, "K8S_EXTCAP_HOME": str(home / "own"), "HOME": str(home), "KUBECONFIG": kubeconfig,
            "COLUMNS": "200", "PYTHONPATH": str(ROOT), "TERM": "dumb",
        }  # fmt: skip
        self.home = home

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CODE, *argv],
            env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip


@pytest.fixture
def shell(demo: DemoCluster, tmp_path: Path) -> Shell:
    return Shell(tmp_path, str(demo.kubeconfig))


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    return Shell(tmp_path, str(tmp_path / "no-kubeconfig"))


COMMANDS = (
    "install",
    "uninstall",
    "list",
    "name",
    "capture",
    "allow",
    "doctor",
    "options",
    "refresh",
    "favourite",
    "cleanup",
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_everything(alone: Shell, command: str) -> None:
    done = alone.run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: k8s-extcap" in done.stdout
    if not command:
        assert all(f" {name} " in done.stdout for name in COMMANDS)


def test_the_version(alone: Shell) -> None:
    done = alone.run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("k8s-extcap ")


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["capture", "shop/web", "-w", "x", "--snaplen", "many"], 2, "--snaplen: 'many' is not accepted"),
        (["capture", "a/b/c/d/e", "-w", "x"], 2, "names no target"),
        (["capture", "shop/web", "-w", "x"], 3, "There is no kubeconfig"),
        (["capture"], 2, "Missing argument"),
        (["teapot"], 2, "No such command"),
        (["list", "teapots"], 2, "is no kind"),
        (["list", "-n", "shop/../.."], 2, "cannot be a namespace"),
        (["cleanup", "-n", "a?b"], 2, "cannot be a namespace"),
        (["list"], 3, "There is no kubeconfig"),
        (["name", "web"], 2, "in which namespace"),
    ],
)
def test_a_mistake_is_a_sentence_and_an_exit_code(alone: Shell, argv: list[str], code: int, said: str) -> None:
    done = alone.run(*argv)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("argv", "printed"),
    [
        (["shop/web-1"], "k8s-pod-shop.web-1"),
        (["shop/web-1/app"], "k8s-container-shop.web-1.app"),
        (["deployment/shop/web"], "k8s-deploy-shop.web"),
        (["web-1", "-n", "shop"], "k8s-pod-shop.web-1"),
        (["node/n1.example"], "k8s-node-n1.example"),
        (["k8s-deploy-shop.web"], "Deployment shop/web"),
        (["shop/web-1", "--context", "prod"], "k8s-pod-prod-6754_shop.web-1"),
    ],
)
def test_names_both_ways(alone: Shell, argv: list[str], printed: str) -> None:
    assert alone.run("name", *argv).stdout == printed + "\n"


def test_options_is_the_page_of_the_documentation(alone: Shell) -> None:
    assert alone.run("options", "--markdown").stdout == (ROOT / "docs/options.md").read_text()


@pytest.mark.demo
def test_a_list_for_people_and_for_programs(shell: Shell) -> None:
    done = shell.run("list", "-n", "shop")
    assert done.returncode == 0
    assert done.stdout.split()[:6] == ["NAMESPACE", "NAME", "STATE", "ADDRESS", "NODE", "INTERFACE"]
    assert "k8s-pod-shop.db-0" in done.stdout
    rows = json.loads(shell.run("list", "-A", "--json").stdout)
    assert {"name": "db-0", "state": "running", "interface": "k8s-pod-shop.db-0"}.items() <= {
        k: v for row in rows if row["name"] == "db-0" for k, v in row.items()
    }.items()
    assert len({row["namespace"] for row in rows}) > 3
    assert {row["interface"] for row in json.loads(shell.run("list", "nodes", "--json").stdout)} >= {"k8s-node-demo-1"}


@pytest.mark.demo
def test_a_name_of_another_context_carries_it(shell: Shell) -> None:
    (row,) = [
        r for r in json.loads(shell.run("list", "--context", "demo-dev", "--json").stdout) if "hello" in r["name"]
    ]
    assert row["interface"].startswith("k8s-pod-demo-dev-")
    done = shell.run("capture", row["interface"], "-w", "x.pcapng", "--limit-time", "1s")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("payload")
@pytest.mark.demo
def test_a_capture_into_a_file_and_a_pipe(shell: Shell) -> None:
    done = shell.run("capture", "shop/db-0", "-w", "x.pcapng", "--limit-time", "2s")
    assert done.returncode == 0, done.stderr
    assert (shell.home / "x.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert "packets" in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    argv = [sys.executable, "-c", CODE, "capture", "shop/db-0", "--limit-time", "1s", "-q", "--output", "pcap"]
    piped = subprocess.run(argv, env=shell.environment, capture_output=True, timeout=60, check=False)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert piped.stdout[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


@pytest.mark.demo
@pytest.mark.parametrize(
    ("argv", "code"),
    [(["shop/nobody"], 7), (["shop/web", "--context", "demo-expired"], 4), (["shop/db-0", "--context", "nowhere"], 3)],
)
def test_a_capture_that_cannot_be_ends_with_its_code(shell: Shell, argv: list[str], code: int) -> None:
    done = shell.run("capture", *argv, "-w", "x.pcapng", "--wait", "1")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("payload")
@pytest.mark.demo
def test_a_plan_is_printed_and_nothing_done(shell: Shell) -> None:
    done = shell.run("capture", "shop/db-0", "--dry-run", "--method", "ephemeral")
    assert done.returncode == 0, done.stderr
    assert "method: ephemeral" in done.stdout
    assert "ephemeralContainers" in done.stdout
    assert "stays in the cluster afterwards: " in done.stdout
    again = shell.run("capture", "shop/db-0", "--dry-run")
    assert "upload tcpdump-" in again.stdout
    assert "stays in the cluster afterwards: nothing" in again.stdout
    rows = json.loads(shell.run("list", "containers", "-n", "shop", "--json").stdout)
    assert not [row for row in rows if row["container"].startswith("k8s-extcap")]


@pytest.mark.demo
def test_favourites_come_and_go(shell: Shell) -> None:
    assert shell.run("favourite", "deploy/shop/web").returncode == 0
    assert shell.run("favourite").stdout == "k8s-deploy-shop.web\tdemo\n"
    assert shell.run("favourite", "deploy/shop/web", "--remove").returncode == 0
    assert shell.run("favourite").stdout == ""
    assert shell.run("favourite", "deploy/shop/web", "--remove").returncode == 2


@pytest.mark.demo
def test_nothing_to_clean_up_is_said(shell: Shell) -> None:
    done = shell.run("cleanup", "-n", "shop")
    assert (done.returncode, done.stdout) == (0, "Nothing was left behind.\n")


@pytest.mark.demo
def test_a_refresh_fills_the_list(shell: Shell) -> None:
    done = shell.run("refresh", "demo-dev")
    assert done.returncode == 0, done.stderr
    assert "interfaces are listed" in done.stdout


def test_a_file_is_named_where_packets_would_go_to_a_terminal(alone: Shell) -> None:
    import pty

    main, terminal = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", CODE, "capture", "shop/web"],
        env=alone.environment, stdout=terminal, stderr=subprocess.PIPE, timeout=60, check=False, text=True,
    )  # fmt: skip
    os.close(terminal)
    os.close(main)
    assert process.returncode == 2
    assert "-w FILE" in process.stderr


@pytest.mark.demo
@pytest.mark.usefixtures("payload")
def test_progress_on_a_terminal_tells_packets_bytes_and_rate(shell: Shell) -> None:
    import pty

    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "capture", "shop/db-0", "-w", "x.pcapng", "--limit-time", "4s"],
        env={**shell.environment, "TERM": "xterm"}, cwd=shell.home, stdout=subprocess.DEVNULL, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    said = b""
    try:
        while part := os.read(main, 4096):
            said += part
    except OSError:
        pass  # Linux' way to say that the last writer is gone
    os.close(main)
    assert process.wait(30) == 0
    assert b"/s" in said
    assert said.count(b" packets, ") >= 3, "the line was written several times, then the summary"


@pytest.mark.demo
@pytest.mark.usefixtures("payload")
def test_ctrl_c_ends_a_capture_well(shell: Shell) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "capture", "shop/db-0", "-w", "x.pcapng"],
        env=shell.environment, cwd=shell.home, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stderr
        first = process.stderr.readline()
        assert "db-0" in first
        process.send_signal(signal.SIGINT)
        assert "lost" in process.stderr.read()
    assert process.returncode == 0


def silent(folder: Path) -> tuple[socket.socket, Path]:
    """A server that takes connections and never answers, and the kubeconfig that leads to it."""
    server = socket.create_server(("127.0.0.1", 0))
    path = folder / "silent"
    named = {"name": "x"}
    entries = {
        "clusters": [{**named, "cluster": {"server": f"http://127.0.0.1:{server.getsockname()[1]}"}}],
        "contexts": [{**named, "context": {"cluster": "x", "user": "x"}}],
        "users": [{**named, "user": {"token": "t"}}],
    }
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", **entries}))
    return server, path


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_ctrl_c_does_not_wait_for_a_cluster_that_never_answers(tmp_path: Path, more: list[str]) -> None:
    server, kubeconfig = silent(tmp_path)
    shell = Shell(tmp_path, str(kubeconfig))
    with server:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, "capture", "shop/db-0", "-w", "x.pcapng", "--timeout", "600", *more],
            env=shell.environment, cwd=shell.home, stderr=subprocess.PIPE,
        )  # fmt: skip
        with server.accept()[0] as asked:
            assert asked.recv(1)  # the request is under way: its thread waits for ten minutes from here
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_capture_under_nohup_outlives_the_terminal(tmp_path: Path) -> None:
    server, kubeconfig = silent(tmp_path)
    shell = Shell(tmp_path, str(kubeconfig))
    with server:
        process = subprocess.Popen(
            ["nohup", sys.executable, "-c", CODE, "capture", "shop/db-0", "-w", "x.pcapng", "--timeout", "600"],
            env=shell.environment, cwd=shell.home, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        with server.accept()[0] as asked:
            assert asked.recv(1)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert b"SIGINT" in said
