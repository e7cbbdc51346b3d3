"""The journal's file: what is on disk when, and what is read back from any part of it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.plan import ExecSpec, Upload
from k8s_extcap.model.request import Connection
from k8s_extcap.run import janitor, journal, owner, reaper
from k8s_extcap.run.session import open_session


@pytest.fixture
def book(tmp_path: Path) -> journal.Journal:
    return journal.Journal(str(tmp_path / "0123456789.jsonl"), "0123456789")


def test_each_record_is_in_the_file_when_its_call_returns(book: journal.Journal) -> None:
    number = book.intend(journal.delete("/api/v1/namespaces/a/pods/b", "pod a/b"))
    found = journal.read(book.path)
    assert [(e.number, e.undo["path"], e.uid, e.done) for e in found.entries] == [
        (0, "/api/v1/namespaces/a/pods/b", "", False)
    ]
    book.learn(number, "uid-1")
    assert journal.read(book.path).entries[0].uid == "uid-1"
    book.done(number)
    assert journal.read(book.path).entries[0].done
    book.close()
    assert not Path(book.path).exists()


def test_only_its_owner_may_read_it(book: journal.Journal) -> None:
    assert stat.S_IMODE(Path(book.path).stat().st_mode) == 0o600
    book.close()


def test_a_second_capture_of_the_same_number_is_refused(book: journal.Journal) -> None:
    with pytest.raises(FileExistsError):
        journal.Journal(book.path, "0123456789")
    book.close()


def test_an_upload_is_undone_by_its_files_names() -> None:
    spec = ExecSpec(
        "n", "p", "c", (), (Upload("tcpdump-amd64", "/tmp/x", 1, "d"), Upload("nsx-amd64", "/tmp/y", 1, "d"))
    )
    undo = journal.remove(spec)
    assert (undo["do"], undo["files"], undo["pod"]) == ("remove", ["/tmp/x", "/tmp/y"], "p")


@given(st.integers(min_value=0, max_value=2000), st.binary(max_size=200))
@settings(max_examples=200)
def test_a_journal_cut_anywhere_and_followed_by_anything_tells_what_was_whole(cut: int, noise: bytes) -> None:
    path = f"/dev/shm/k8s-extcap-test-{os.getpid()}.jsonl"
    book = journal.Journal(path, "c")
    try:
        for n in range(3):
            book.learn(book.intend(journal.delete(f"/p/{n}", f"pod {n}")), f"uid-{n}")
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[:cut] + noise)
        found = journal.read(path)
        lines = whole[:cut].count(b"\n")
        assert len(found.entries) >= (lines + 1) // 2
        for entry in found.entries[: (lines + 1) // 2]:
            assert entry.undo == {"do": "delete", "path": f"/p/{entry.number}", "what": f"pod {entry.number}"}
        assert len(found.entries) <= 4
    finally:
        book.close()


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    mine = owner.me()
    assert owner.is_ours(mine)
    assert owner.alive(mine)
    pid, _, start = mine.rpartition("/")[2].partition("-")
    assert not owner.alive(mine.replace(f"-{start}", f"-{int(start) + 1}"))
    assert not owner.alive(mine.replace(owner.boot(), "another-boot"))
    assert not owner.is_ours("somebody@elsewhere/boot/" + pid)
    assert not owner.is_ours(f"{owner.place()}~00000000/{owner.boot()}/{pid}-{start}")  # as many machines are called
    assert not owner.is_ours(f"{owner.place()}/{owner.boot()}/{pid}-{start}")
    assert owner.started(2**22 + 1) == ""


def test_a_zombie_does_not_count_as_alive() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert owner.started(pid) == ""
    finally:
        os.waitpid(pid, 0)


def test_the_journal_of_a_living_capture_is_not_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    folder = Path(journal.folder())
    folder.mkdir(parents=True)
    alive, dead, worked_on = (folder / f"{name}.jsonl" for name in ("alive", "dead", "held"))
    gone = owner.me().replace(owner.boot(), "another-boot")
    alive.write_text(f'{{"capture":"a","owner":"{owner.me()}"}}\n')
    for path in (dead, worked_on):
        path.write_text(f'{{"capture":"d","owner":"{gone}"}}\n')
    lock = reaper.hold(str(worked_on))
    assert lock >= 0
    try:
        assert janitor.stale() == [str(dead)]
    finally:
        os.close(lock)
    assert set(janitor.stale()) == {str(dead), str(worked_on)}


@pytest.mark.parametrize("text", ["", '{"capture":"a","owner":"me@another-machine/boot/1-1"}\n'])
def test_a_young_journal_that_tells_nothing_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Another capture may have made it this instant, or runs on a machine with the same home."""
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    path = Path(journal.folder()) / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert janitor.stale() == []
    assert janitor.sweep_journals() == ([], [])
    assert path.exists()
    old = path.stat().st_mtime - 2 * janitor.FRESH
    os.utime(path, (old, old))
    assert janitor.stale() == [str(path)]


def test_a_journal_is_understood_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reaper and the janitor start in the root folder."""
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    entries = {
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    Path("config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x", **entries}))
    book = journal.open("0123456789", open_session(Connection(kubeconfig="config")))
    assert journal.read(book.path).kubeconfig == str(tmp_path / "config")
    book.close()
    monkeypatch.setenv("KUBECONFIG", f"config:{tmp_path}/other")
    book = journal.open("0123456789", open_session(Connection()))
    assert journal.read(book.path).kubeconfig == f"{tmp_path}/config:{tmp_path}/other"
    book.close()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("a file")
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="K8S_EXTCAP_HOME"):
        open_session(Connection())


def test_a_journal_without_open_entries_is_just_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"capture":"x","owner":"o"}\n{"n":0,"undo":{"do":"delete","path":"/p"}}\n{"n":0,"done":true}\n')
    assert reaper.clean(str(path)) == []
    assert not path.exists()
