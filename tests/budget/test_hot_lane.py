"""What Wireshark waits for, twice per interface, costs about as much as a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from k8s_extcap.edge import catalog
from k8s_extcap.edge.catalog import Header, Origin
from k8s_extcap.wireshark import sentences
from tests.budget.measure import BARE, OURS, modules, ratio

# On an idle machine these are 1.05 to 1.15 (bench/); other people's work on this one must not fail the test.
MOST = 1.8

OWN = (
    "k8s_extcap k8s_extcap.entry k8s_extcap.edge k8s_extcap.edge.folders k8s_extcap.wireshark k8s_extcap.wireshark.argv"
)
LISTING = (
    "k8s_extcap.edge.catalog k8s_extcap.edge.host k8s_extcap.model k8s_extcap.model.ids "
    "k8s_extcap.version k8s_extcap.wireshark.parent k8s_extcap.wireshark.sentences"
)
CONFIG = (
    "k8s_extcap.edge.allowed k8s_extcap.edge.store k8s_extcap.model.errors k8s_extcap.wireshark.config "
    "k8s_extcap.wireshark.option k8s_extcap.wireshark.options"
)
# `__future__` is what `from __future__ import annotations` reads: 0.02 ms.
ALWAYS = {"__future__", "posix", "time", *OWN.split()}
ALLOWED = {
    "interfaces": ALWAYS | set(LISTING.split()),
    "dlts": ALWAYS | {"k8s_extcap.version", "k8s_extcap.wireshark.sentences"},
    "config": ALWAYS | set(LISTING.split()) | set(CONFIG.split()),
    "filter": ALWAYS | {"k8s_extcap.wireshark.filter", "k8s_extcap.wireshark.lexer"},
    "version": ALWAYS | {"k8s_extcap.version"},
}
WEB = "k8s-pod-shop.web-1"
CALLS = {
    "interfaces": ["--extcap-interfaces", "--extcap-version=4.0"],
    "dlts": ["--extcap-dlts", "--extcap-interface", WEB],
    "config": ["--extcap-config", "--extcap-interface", WEB],
    "filter": [
        "--extcap-capture-filter",
        "tcp port 80 and (host 192.0.2.1 or net 10.0.0.0/8)",
        "--extcap-interface",
        WEB,
    ],
    "version": ["--version"],
}


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """A home whose catalog was renewed just now."""
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    fill(32)
    return dict(os.environ)


def fill(rows: int) -> None:
    names = [f"k8s-pod-shop.web-{number}" for number in range(rows)]
    answer = sentences.extcap() + sentences.interface("k8s-browse", sentences.BROWSE)
    answer += "".join(sentences.interface(n, f"{n}, shop, running, 10.0.0.1, a-context-of-mine") for n in names)
    catalog.store(Header(int(time.time()) + 1000, catalog.stamp(), "c", "c-0123"), answer)
    bound = [Origin(n, "c", "c-0123", "https://192.0.2.1:6443", "0123456789abcdef", "shop", 1) for n in names]
    catalog.store_origins(bound)


@pytest.mark.parametrize("call", CALLS)
def test_nothing_else_is_imported(env: Mapping[str, str], call: str) -> None:
    started = modules(BARE, env)
    modules([*OURS, *CALLS[call]], env)  # a checkout's first run compiles
    imported = modules([*OURS, *CALLS[call]], env) - started
    assert "k8s_extcap.entry" in imported
    assert imported <= ALLOWED[call], f"not allowed here: {imported - ALLOWED[call]}"


@pytest.mark.parametrize("call", CALLS)
def test_its_cpu_is_about_a_bare_interpreters(env: Mapping[str, str], call: str) -> None:
    assert ratio([*OURS, *CALLS[call]], env) < MOST


@pytest.mark.parametrize("rows", [32, 200])
def test_the_number_of_rows_hardly_matters(env: Mapping[str, str], rows: int) -> None:
    fill(rows)
    done = subprocess.run([*OURS, *CALLS["interfaces"]], env=dict(env), capture_output=True, check=True)
    assert done.stdout.count(b"\ninterface {") == rows + 1
    assert ratio([*OURS, *CALLS["interfaces"]], env) < MOST


def test_the_check_notices_an_import(env: Mapping[str, str], tmp_path: Path) -> None:
    """The ruler itself: a heavy module is seen in both measures."""
    heavy = [BARE[0], "-I", "-S", "-E", "-c", "import json, argparse, dataclasses, typing, logging"]
    assert {"json", "argparse"} <= modules(heavy, env) - modules(BARE, env)
    assert ratio(heavy, env, runs=7) > MOST
