"""A client key that is embedded in the kubeconfig is nowhere on disk, or for milliseconds in a folder that is found."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from k8s_extcap.kube import material
from k8s_extcap.model.errors import CredentialError
from k8s_extcap.model.request import Connection
from k8s_extcap.run import keys, owner
from k8s_extcap.run.session import open_session
from testbed.demo import certs


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("K8S_EXTCAP_HOME", raising=False)
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def kubeconfig(folder: Path, key: str = "") -> Path:
    made = certs.make("a-user", ("localhost",))
    private, _, chain = made.server.partition("-----BEGIN CERTIFICATE")
    user = {
        "client-certificate-data": base64.b64encode(("-----BEGIN CERTIFICATE" + chain).encode()).decode(),
        "client-key-data": base64.b64encode((key or private).encode()).decode(),
    }
    authority = base64.b64encode(made.authority.encode()).decode()
    tree = {
        "clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = folder / "kubeconfig.json"
    file.write_text(json.dumps(tree))
    return file


@pytest.mark.parametrize("how", ["memory", "file"])
def test_killed_at_any_moment_no_key_stays(home: Path, how: str) -> None:
    """With files of memory there is never one; without, what a killed process leaves is swept up."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.process.keys_killed", str(kubeconfig(home)), how, "3" if how == "file" else "5"],
        cwd=Path(__file__).parents[2], env={**os.environ}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["moments"] >= 40
    assert (told["left"] > 0) == (how == "file"), "else the search would find nothing anyway"
    assert (told["strange"], told["after"]) == ([], [])


def test_neither_the_library_nor_its_pool_have_any_file(home: Path) -> None:
    from kubernetes.config import kube_config

    session = open_session(Connection(kubeconfig=str(kubeconfig(home))))
    assert kube_config._temp_files == {}
    assert not [v for k, v in session.api._pool.connection_pool_kw.items() if k.endswith(("_file", "_certs")) and v]
    assert [p.name for p in home.iterdir()] != []
    assert not list(home.glob("tmp*"))


def leftover(made_by: str) -> Path:
    path = Path(keys.folder()) / f"{quote(made_by, safe='')}.abc"
    path.mkdir(parents=True)
    (path / "pem").write_text("key")
    return path


def test_only_what_dead_processes_of_ours_left_is_removed(home: Path) -> None:
    gone = leftover(owner.me().rpartition("/")[0] + "/4194303-1")
    mine, foreign = leftover(owner.me()), leftover("somebody@elsewhere~12345678/boot/1-1")
    keys.sweep()
    assert [p.exists() for p in (gone, mine, foreign)] == [False, True, True]
    keys.forget(owner.me())
    assert [p.exists() for p in (mine, foreign)] == [False, True]


def test_a_link_in_their_place_is_not_followed(home: Path) -> None:
    """Nobody else can put one there; a user who did keeps what it leads to."""
    precious = home / "precious"
    precious.mkdir()
    (precious / "pem").write_text("mine")
    folder = Path(keys.folder())
    folder.mkdir(parents=True)
    dead = quote(owner.me().rpartition("/")[0] + "/4194303-1", safe="")
    (folder / f"{dead}.abc").symlink_to(precious)
    keys.sweep()
    assert (precious / "pem").read_text() == "mine"


@pytest.mark.parametrize("how", ["link", "open"])
def test_a_folder_that_is_not_ours_alone_gets_no_key(home: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.delattr(os, "memfd_create")
    folder, elsewhere = Path(keys.folder()), home / "elsewhere"
    folder.parent.mkdir(parents=True)
    elsewhere.mkdir()
    if how == "link":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(CredentialError, match="others may write to"):
        open_session(Connection(kubeconfig=str(kubeconfig(home))))
    assert list(elsewhere.iterdir()) == list(folder.iterdir()) == []


def test_an_encrypted_key_is_an_error_and_no_question(home: Path) -> None:
    """OpenSSL asks for the password on the terminal, and waits there for ever."""
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes128", "-pass", "pass:x"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    with pytest.raises(CredentialError, match="the client key is encrypted"):
        open_session(Connection(kubeconfig=str(kubeconfig(home, made.stdout))))


def test_nothing_secret_is_shown_by_its_name(home: Path) -> None:
    session = open_session(Connection(kubeconfig=str(kubeconfig(home))))
    text = f"{session!r} {session.login!r} {session.login.held!r} {session.login.held.material!r} {session.api!r}"
    assert "BEGIN" not in text
    assert repr(material.Material(b"a", b"b", b"c")) == "Material()"
