"""Credential plugins as real processes: once for all, in time, without a terminal, and told about when they fail."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from k8s_extcap.kube import credential
from k8s_extcap.kube import plugin as process_of
from k8s_extcap.model.errors import CredentialError
from testbed.wait import until

CLUSTER = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "QQ=="}


class Plugin:
    """A plugin in sh that counts its runs and notes what it was given."""

    def __init__(self, folder: Path, body: str) -> None:
        self.runs = folder / "runs"
        self.cache = folder / "cache"
        self.cache.mkdir(mode=0o700)
        self.file = folder / "plugin"
        self.file.write_text(f"#!/bin/sh\necho run >>'{self.runs}'\n{textwrap.dedent(body)}\n")
        self.file.chmod(0o700)
        self.spec: dict[str, Any] = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(self.file),
            "interactiveMode": "IfAvailable",
        }

    def obtain(self, *, interactive: bool = True) -> credential.Credential:
        return credential.obtain(self.spec, CLUSTER, "", str(self.cache), interactive=interactive)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As if another process were at it."""
        file = credential._cache_file(self.spec, CLUSTER, str(self.cache))
        with Path(f"{file}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def waits(pid: int) -> bool:
        """proc(5): in /proc/locks an arrow stands before those that are blocked."""
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
        return str(pid) in [line[line.index("WRITE") + 1] for line in lines if "WRITE" in line]

    def forget(self, token: str = "secret") -> None:
        """As if the cluster had refused what it gives, or another one."""
        given = self.obtain()
        credential.forget(self.spec, CLUSTER, str(self.cache), dataclasses.replace(given, token=token))

    def count(self) -> int:
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0


def answer(expires: str | None = "2099-01-01T00:00:00Z", **status: str) -> str:
    fields = {"token": "secret", **status, **({"expirationTimestamp": expires} if expires else {})}
    reply = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": fields}
    return f"cat <<'EOF'\n{json.dumps(reply)}\nEOF"


def test_one_run_serves_until_it_expires(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, answer())
    assert [plugin.obtain().token for _ in range(3)] == ["secret"] * 3
    assert plugin.count() == 1
    files = [f for f in plugin.cache.iterdir() if not f.name.endswith(".lock")]
    assert [f.stat().st_mode & 0o777 for f in files] == [0o600]


def test_what_has_expired_is_asked_again(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, answer("2001-01-01T00:00:00Z"))
    plugin.obtain()
    plugin.obtain()
    assert plugin.count() == 2


def test_what_never_said_when_it_ends_is_held_by_its_process_only(tmp_path: Path) -> None:
    """Another stream of the same capture asks nobody; the disk has nothing of which nobody knows when to drop it."""
    plugin = Plugin(tmp_path, answer(None))
    assert [plugin.obtain().token for _ in range(2)] == ["secret"] * 2
    assert plugin.count() == 1
    assert not [f for f in plugin.cache.iterdir() if "secret" in f.read_text()]
    plugin.forget()
    plugin.obtain()
    assert plugin.count() == 2


def test_a_person_is_asked_once_in_a_process(tmp_path: Path) -> None:
    """A cut stream is tried again many times: not with a browser window for each."""
    body = '[ -n "$DISPLAY" ] && echo asked >>"$0.asked"\n'
    plugin = Plugin(tmp_path, body + answer("2001-01-01T00:00:00Z"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", ":1")
        for _ in range(3):
            plugin.obtain()
    assert plugin.count() == 3
    assert (tmp_path / "plugin.asked").read_text().split() == ["asked"]


def test_who_waited_for_a_failure_shares_it(tmp_path: Path) -> None:
    """Ten captures whose login has ended are told so by one run of the plugin; a later start asks again."""
    plugin = Plugin(tmp_path, "sleep 1\necho 'login has ended' >&2\nexit 1")
    text = (
        "import sys,json;from k8s_extcap.kube import credential as c;from k8s_extcap.model.errors import ExtcapError\n"
        "sys.stdin.readline()\n"
        "try: c.obtain(json.loads(sys.argv[1]),json.loads(sys.argv[2]),'',sys.argv[3],interactive=True)\n"
        "except ExtcapError as error: print(error)"
    )
    command = [sys.executable, "-c", text, json.dumps(plugin.spec), json.dumps(CLUSTER), str(plugin.cache)]
    ten = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    with plugin.locked():  # until all of them wait
        for process in ten:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        assert until(lambda: all(plugin.waits(p.pid) for p in ten), 60)
    assert all("login has ended" in p.communicate(timeout=60)[0] for p in ten)
    assert plugin.count() == 1
    with pytest.raises(CredentialError):
        plugin.obtain()
    assert plugin.count() == 2


def test_a_child_that_keeps_its_outputs_open_holds_nobody(tmp_path: Path) -> None:
    """An agent that a plugin starts and leaves behind has its standard streams still."""
    plugin = Plugin(tmp_path, f"sleep 61.{os.getpid()} &\necho $! >{tmp_path}/child\n{answer()}")
    try:
        assert plugin.obtain().token == "secret"
        assert Path(f"/proc/{(tmp_path / 'child').read_text().strip()}").exists(), "it is not ours to end"
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_endless_outputs_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_of, "QUIET", 2.0)
    plugin = Plugin(tmp_path, "yes >&2 & yes")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CredentialError, match="did not answer within"):
        plugin.obtain(interactive=False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; `yes` writes GB/s


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("error: token has expired, run login", "error: token has expired, run login"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: ***"),
        (
            "Basic authentication failed for token: invalid_grant",
            "Basic authentication failed for token: invalid_grant",
        ),
        ('{"access_token": "geheim", "error": "x"}', '{"***", "error": "x"}'),
        ("https://sso.example/?client_secret=geheim&x=1", "https://sso.example/?***&x=1"),
        ("got eyJhbGciOi.eyJzdWIiOi.c2ln", "got ***"),
        ("key " + "A1b2" * 12 + " refused", "key *** refused"),
    ],
)
def test_a_plugins_last_words_hold_no_credential(said: str, shown: str) -> None:
    assert process_of.masked(said) == shown


def test_ten_processes_at_once_run_it_once(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, "sleep 0.3\n" + answer())
    text = (
        "import sys,json;from k8s_extcap.kube import credential as c;"
        "print(c.obtain(json.loads(sys.argv[1]),json.loads(sys.argv[2]),'',sys.argv[3],interactive=True).token)"
    )
    command = [sys.executable, "-c", text, json.dumps(plugin.spec), json.dumps(CLUSTER), str(plugin.cache)]
    ten = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    assert [p.communicate(timeout=60)[0].strip() for p in ten] == ["secret"] * 10
    assert plugin.count() == 1


def test_a_hanging_plugin_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_of, "QUIET", 0.5)
    mark = f"{time.time()}"
    plugin = Plugin(tmp_path, f"sleep 600.{os.getpid()} & sleep 600 # {mark}")
    with pytest.raises(CredentialError, match="did not answer within"):
        plugin.obtain(interactive=False)
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"sleep 600.{os.getpid()}" not in listing


def test_it_has_no_terminal_no_display_and_an_end_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":1")
    body = 'cat >/dev/null\n(: </dev/tty) 2>/dev/null && exit 9\n[ -z "$DISPLAY" ] || exit 8\n'
    body += "case $KUBERNETES_EXEC_INFO in *'\"interactive\": false'*) ;; *) exit 7;; esac\n"
    assert Plugin(tmp_path, body + answer()).obtain(interactive=False).token == "secret"


def test_always_interactive_is_never_run_for_a_list(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, answer())
    plugin.spec["interactiveMode"] = "Always"
    with pytest.raises(CredentialError, match="always asks a person"):
        plugin.obtain(interactive=False)
    assert plugin.count() == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'token has expired, run login' >&2; exit 3", "exit code 3: token has expired, run login"),
        ("exit 1", "it said nothing"),
        ("echo no json", "printed no ExecCredential"),
        ("echo '{}'", "printed no ExecCredential"),
        (answer(token=""), "neither a token nor a client certificate"),
    ],
)
def test_a_failure_is_a_sentence(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(CredentialError) as caught:
        Plugin(tmp_path, body).obtain()
    assert words in caught.value.sentence
    assert len(caught.value.sentence) <= 400


def test_a_missing_plugin_names_the_folders_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/one:/two")
    plugin = Plugin(tmp_path, "")
    plugin.spec |= {"command": "no-such-plugin", "installHint": "Get it from the shop."}
    with pytest.raises(CredentialError) as caught:
        plugin.obtain()
    assert "'no-such-plugin' was not found in /one:/two" in caught.value.sentence
    assert "Get it from the shop." in caught.value.sentence


def test_a_certificate_is_a_credential_too(tmp_path: Path) -> None:
    got = Plugin(tmp_path, answer(token="", clientCertificateData="C", clientKeyData="K")).obtain()
    assert (got.token, got.certificate, got.key) == ("", "C", "K")


def test_arguments_and_environment_come_as_written(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, '[ "$1" = "a b" ] && [ "$X" = "\'; exit" ] || exit 5\n' + answer())
    plugin.spec |= {"args": ["a b"], "env": [{"name": "X", "value": "'; exit"}]}
    assert plugin.obtain().token == "secret"


def test_what_the_cluster_refused_is_asked_anew(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, answer())
    plugin.obtain()
    plugin.forget()
    plugin.obtain()
    assert plugin.count() == 2


def test_what_another_process_asked_for_meanwhile_stays(tmp_path: Path) -> None:
    """Ten captures whose token was revoked run the plugin once: it is the old token that they forget."""
    plugin = Plugin(tmp_path, answer())
    plugin.forget(token="older")
    plugin.obtain()
    assert plugin.count() == 1


def test_another_account_is_another_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(tmp_path, answer())
    plugin.obtain()
    monkeypatch.setenv("AWS_ROLE_ARN", "another")
    plugin.obtain()
    assert plugin.count() == 2
