"""Credentials: the plugin that fails in every way, the token nobody accepts. Shown by the real tshark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.demo.cluster import DemoCluster
from testbed.wait import until
from testbed.wireshark.tshark import Tshark
from tests.golden.errors.golden import check
from tests.golden.errors.stage import Lane, Stage

pytestmark = pytest.mark.tshark

POD = "k8s-pod-shop.edge"
VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture
def stage(tshark_native: Tshark) -> Stage:
    return Stage(tshark_native)


def with_plugin(demo: DemoCluster, **spec: Any) -> str:
    """The demo cluster's kubeconfig, its user's credentials from a plugin."""
    tree = json.loads(demo.kubeconfig.read_text())
    tree["users"][0]["user"] = {"exec": {"apiVersion": VERSION, "interactiveMode": "IfAvailable", **spec}}
    return json.dumps(tree)


def answer(**status: str) -> str:
    return json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status})


PLUGINS = (
    ("plugin-fails", "echo 'error: your login has expired, run: cloud login' >&2; exit 3",
     "The credential plugin fails.", "Do what it says, in a terminal."),
    ("plugin-silent", "exit 1", "The credential plugin fails without a word.", "Run it in a terminal."),
    ("plugin-garbage", "echo Welcome to the cloud", "The credential plugin prints something else.",
     "Run it in a terminal."),
    ("plugin-empty", f"echo '{answer()}'", "The credential plugin gives no credential.", "Log in anew."),
    ("plugin-terminal", "read -r answer </dev/tty || exit 4", "The credential plugin wants a terminal.",
     "Run it in a terminal first."),
    ("plugin-hostile", r"printf '\033[31mred\033[0m \007\342\200\256bidi \377\376 end\n' >&2; exit 1",
     "The credential plugin prints escape sequences.", "They are blanked."),
    ("plugin-long", "i=0; while [ $i -lt 2000 ]; do printf word%s\\  $i; i=$((i+1)); done >&2; exit 1",
     "The credential plugin prints very much.", "Its last words are shown."),
    ("plugin-rejected", f"echo '{answer(token='expired')}'", "The cluster rejects the plugin's token.",
     "Log in again."),
)  # fmt: skip


@pytest.mark.parametrize(("key", "body", "when", "do"), PLUGINS, ids=[row[0] for row in PLUGINS])
def test_a_plugin_that_does_not_help(stage: Stage, demo: DemoCluster, key: str, body: str, when: str, do: str) -> None:
    file = stage.tshark.desk.write("bin/plugin", f"#!/bin/sh\n{body}\n", 0o755)
    stage.config(with_plugin(demo, command=str(file)))
    check(key, stage.show(POD), when, do, {str(stage.home): "HOME"})


def test_a_plugin_that_is_not_there(stage: Stage, demo: DemoCluster) -> None:
    """It is looked for where kubectl would: the folders of PATH are named, and the kubeconfig's own hint."""
    stage.config(with_plugin(demo, command="cloud-auth", installHint="Get it at https://cloud.example/auth."))
    check("plugin-missing", stage.show(POD, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}),
          "The credential plugin is in no folder of PATH.", "Install it; k8s-extcap install.")  # fmt: skip


def test_a_plugin_that_may_not_be_run(stage: Stage, demo: DemoCluster) -> None:
    file = stage.tshark.desk.write("bin/plugin", "#!/no/such/interpreter\n", 0o755)
    stage.config(with_plugin(demo, command=str(file)))
    check("plugin-unstartable", stage.show(POD), "The credential plugin cannot be started.", "Mend or reinstall it.",
          {str(stage.home): "HOME"})  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_plugin_that_hangs(stage: Stage, demo: DemoCluster) -> None:
    """A login in the browser may take a while: two minutes are waited before it counts as hanging."""
    file = stage.tshark.desk.write("bin/plugin", "#!/bin/sh\nexec sleep 600\n", 0o755)
    stage.config(with_plugin(demo, command=str(file)))
    check("plugin-hangs", stage.show(POD, timeout=200), "The credential plugin does not answer.",
          "Log in in a terminal.", {str(stage.home): "HOME"})  # fmt: skip


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path / "own", tmp_path / "kubeconfig")


def test_a_stop_while_a_plugin_hangs_leaves_neither(lane: Lane, demo: DemoCluster, tmp_path: Path) -> None:
    """Stopped before anything began: silence, no error, and the plugin goes with us."""
    started = tmp_path / "started"
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\necho $$ >{started}\nsleep 611 & wait\n")
    file.chmod(0o755)
    Path(lane.kubeconfig).write_text(with_plugin(demo, command=str(file)))
    process = lane.start(POD)
    assert until(lambda: started.exists() and started.read_text().endswith("\n"), 30)
    pid = int(started.read_text())
    process.terminate()
    assert lane.finish(process, 10) == (0, b"")
    assert until(lambda: not Path(f"/proc/{pid}").exists(), 5)


def test_a_plugin_that_always_asks_is_no_plugin_for_a_list(demo: DemoCluster, tmp_path: Path) -> None:
    """The list asks nobody; the reason stands where doctor and refresh find it, and the plugin never ran."""
    ran = tmp_path / "ran"
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
    file.chmod(0o755)
    config = tmp_path / "kubeconfig"
    config.write_text(with_plugin(demo, command=str(file), interactiveMode="Always"))
    lane = Lane(tmp_path / "own", config)
    lane.home.mkdir()
    lane.refresh()
    assert "always asks a person" in lane.log()
    assert not ran.exists()


# What the cluster does not accept


def test_an_expired_token(stage: Stage, demo: DemoCluster) -> None:
    stage.config(demo.kubeconfig)
    check("token-expired", stage.show(POD, "--context", "demo-expired"), "The token has expired or is wrong.",
          "Log in again.")  # fmt: skip


def test_no_credentials_at_all(stage: Stage, demo: DemoCluster) -> None:
    tree = json.loads(demo.kubeconfig.read_text())
    tree["users"][0]["user"] = {}
    stage.config(json.dumps(tree))
    check("token-none", stage.show(POD), "The user has no credentials.", "Log in.")
