"""A desktop session knows nothing of the shell where kubectl works: the launcher brings it along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from testbed.demo.cluster import DemoCluster

ROOT = Path(__file__).parents[2]
CODE = "import sys; from k8s_extcap.cli.main import main; sys.exit(main())"

pytestmark = pytest.mark.demo


def test_a_kubeconfig_and_a_plugin_of_the_shell_work_from_the_desktop(demo: DemoCluster, tmp_path: Path) -> None:
    plugins = tmp_path / "plug ins"
    plugins.mkdir()
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": demo.token()},
    }
    plugin = plugins / "log-me-in"
    plugin.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat <<'END'\n{json.dumps(credential)}\nEND\n")
    plugin.chmod(0o755)
    config = yaml.safe_load(demo.kubeconfig.read_text())
    spec = {"apiVersion": credential["apiVersion"], "command": plugin.name, "interactiveMode": "Never"}
    config["users"] = [{"name": user["name"], "user": {"exec": spec}} for user in config["users"]]
    kubeconfig = tmp_path / "my config"
    kubeconfig.write_text(yaml.safe_dump(config))

    shell = {
        **os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "KUBECONFIG": str(kubeconfig),
        "PATH": f"{plugins}:{os.environ['PATH']}",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", CODE, "install"], env=shell, check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    assert not (tmp_path / "runs").exists(), "installing asks nobody for a login"
    launcher = tmp_path / ".local/lib/wireshark/extcap/k8s-extcap"
    done = subprocess.run(
        ["env", "-i", f"HOME={tmp_path}", "DISPLAY=:0", launcher, "--extcap-config", "--extcap-interface", "k8s-browse",
         "--extcap-reload-option", "--namespace"],
        capture_output=True, text=True, timeout=60, check=True, cwd="/",
    )  # fmt: skip
    assert "{value=shop}" in done.stdout
    assert (tmp_path / "runs").read_text() == "run\n"
