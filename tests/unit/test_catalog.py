from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest

from k8s_extcap.edge import catalog, folders, host
from k8s_extcap.edge.catalog import Header, Origin

ANSWER = "extcap {x=y}\ninterface {value=k8s-browse}{display=b}\ninterface {value=k8s-pod-a.b}{display=c}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def store(due: int = 0, context: str = "c") -> None:
    catalog.store(Header(due, "stamp", context, "c-0123"), ANSWER)


def test_what_was_stored_is_answered() -> None:
    context = "arn:aws:eks\twith\na tab % and ünïcode"
    store(17, context)
    header, answer = catalog.load()
    assert header is not None
    assert (header.due, header.stamp, header.context, header.alias) == (17, "stamp", context, "c-0123")
    assert answer == ANSWER
    alone = catalog.header()
    assert alone is not None
    assert alone.context == context


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"another\tformat\n" + ANSWER.encode(), b"x" * 9000])
def test_what_nobody_can_read_is_no_catalog(content: bytes) -> None:
    store()
    Path(catalog.folder(), "list").write_bytes(content)
    assert catalog.load() == (None, "")
    assert catalog.header() is None


def test_the_line_of_one_interface() -> None:
    assert catalog.sentence(ANSWER, "k8s-pod-a.b") == "interface {value=k8s-pod-a.b}{display=c}\n"
    assert catalog.sentence(ANSWER, "k8s-browse") == "interface {value=k8s-browse}{display=b}\n"
    assert catalog.sentence(ANSWER, "k8s-pod-a") == ""
    assert catalog.sentence("", "k8s-pod-a") == ""
    first = ANSWER.partition("\n")[2]
    assert catalog.sentence(first, "k8s-browse") == "interface {value=k8s-browse}{display=b}\n"


def test_an_origin_is_found_by_its_whole_name() -> None:
    bound = [
        Origin("k8s-pod-a.bb", "one", "one-1", "https://1", "d1", "a", 5),
        Origin("k8s-pod-a.b", "two\tbig", "two-2", "https://2", "d2", "a", 6),
    ]
    catalog.store_origins(bound)
    found = catalog.origin("k8s-pod-A.B")
    assert found is not None
    assert (found.context, found.alias, found.server, found.ca_digest, found.namespace, found.listed) == (
        "two\tbig",
        "two-2",
        "https://2",
        "d2",
        "a",
        6,
    )
    assert catalog.origin("k8s-pod-a") is None
    assert [one.interface for one in catalog.origins()] == ["k8s-pod-a.bb", "k8s-pod-a.b"]


def test_the_same_name_in_two_contexts() -> None:
    """Without a program that was shown either, the one listed last counts; with one, what it was shown."""
    bound = [Origin("k8s-pod-a.b", name, name, "", "", "a", 5) for name in ("new", "old")]
    catalog.store_origins(bound)
    found = catalog.origin("k8s-pod-a.b")
    assert found is not None
    assert found.context == "new"
    program = host.identity()
    assert host.alive(program)
    catalog.show(program, "4.6", "old")
    found = catalog.origin("k8s-pod-a.b")
    assert found is not None
    assert found.context == "old"


def test_each_program_has_its_version() -> None:
    catalog.show("17-4711", "4.2", "one\tor\nother")
    catalog.show("18-4712", "$(id)", "two")
    assert catalog.shown_to("17-4711") == ("4.2", "one\tor\nother")
    assert catalog.shown_to("18-4712") == ("", "two")
    assert catalog.shown_to("19-4713") == ("", "")


def test_where_programs_cannot_be_told_apart_the_last_ones_version_counts() -> None:
    catalog.show("", "4.4", "one")
    catalog.show("", "4.2", "two")
    assert catalog.shown_to("") == ("4.2", "")


def test_programs_that_ended_are_told_from_those_that_have_their_number_now() -> None:
    pid, _, start = host.identity().partition("-")
    assert not host.alive(f"{pid}-{int(start) + 1}")
    assert not host.alive("")
    assert not host.alive("4194304999-1")


def test_damaged_origins_are_none() -> None:
    store()
    Path(catalog.folder(), "origins").write_text("k8s-pod-a.b\tone\nk8s-pod-a.c\n\n")
    assert catalog.origin("k8s-pod-a.b") is None
    assert catalog.origins() == []


@pytest.mark.parametrize(
    ("seconds", "stamp", "stale"),
    [(10, "now", False), (-1, "now", True), (10, "before", True), (3600, "now", False), (86400, "now", True)],
)
def test_when_it_is_stale(seconds: int, stamp: str, stale: bool) -> None:
    header = Header(int(time.time()) + seconds, stamp, "c", "a")
    assert catalog.stale(header, "now") is stale


def test_without_a_catalog_a_refresh_is_due() -> None:
    assert catalog.stale(None, "now")


def test_a_clock_that_was_wrong_does_not_stop_refreshes_for_ever(home: Path) -> None:
    assert catalog.claim("stamp")
    Path(catalog.folder(), "started").write_text(f"{int(time.time()) + 86400}\tstamp")
    assert catalog.claim("stamp")


def test_any_edit_of_any_kubeconfig_is_seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = home / "one", home / "other"
    monkeypatch.setenv("KUBECONFIG", f"{one}:{other}")
    seen = {catalog.stamp()}
    one.write_text("a")
    seen.add(catalog.stamp())
    other.write_text("a")
    seen.add(catalog.stamp())
    os.utime(other, (1, 1))
    seen.add(catalog.stamp())
    one.write_text("ab")
    seen.add(catalog.stamp())
    assert len(seen) == 5
    assert catalog.stamp() in seen


def test_each_kubeconfig_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    default = catalog.folder()
    monkeypatch.setenv("KUBECONFIG", "/a")
    one = catalog.folder()
    monkeypatch.setenv("KUBECONFIG", "/a:/b")
    assert len({default, one, catalog.folder()}) == 3


def test_a_file_is_replaced_whole_and_private(home: Path) -> None:
    store(1)
    path = Path(catalog.folder(), "list")
    with path.open("rb") as before:
        store(2)
        assert b"\t1\t" in before.readline()  # whoever reads the old one still has it
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(catalog.folder()).stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in Path(catalog.folder()).iterdir()) == ["list"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "/home/u/.cache/k8s-extcap"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/k8s-extcap"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/u/.cache/k8s-extcap"),
        ({"K8S_EXTCAP_HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/cache"),
        ({"K8S_EXTCAP_HOME": "relative"}, "/home/u/.cache/k8s-extcap"),
    ],
)
def test_where_files_are(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("K8S_EXTCAP_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/u", **variables}.items():
        monkeypatch.setenv(name, value)
    assert folders.cache() == expected


def as_user(uid: int) -> str:
    """Where the state of a user is who has neither a HOME nor an entry in the password database."""
    theirs, ours = os.pipe()
    child = os.fork()
    if not child:
        os.setuid(uid)
        os.write(ours, folders.state().encode())
        os._exit(0)
    os.close(ours)
    with os.fdopen(theirs) as said:
        answer = said.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root.")
@pytest.mark.parametrize("trap", ["", "folder", "open", "link"])
def test_without_a_home_nothing_is_read_that_somebody_else_put_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trap: str
) -> None:
    for name in ("HOME", "USERPROFILE", "K8S_EXTCAP_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    uid = 2_000_000_000 + os.getpid()
    path = Path(f"/tmp/{folders.NAME}-{uid}")
    if trap == "link":
        os.chown(tmp_path, uid, uid)
        path.symlink_to(tmp_path)
    elif trap:
        path.mkdir()
        os.chown(path, *((uid, uid) if trap == "open" else (12345, 12345)))
        path.chmod(0o777)
    try:
        assert as_user(uid) == f"{folders.NOWHERE if trap else path}/.local/state/{folders.NAME}"
        assert trap or path.stat().st_mode & 0o777 == 0o700
    finally:
        path.unlink() if trap == "link" else path.rmdir()


def test_a_user_without_the_variable_has_a_home_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "K8S_EXTCAP_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = pwd.getpwuid(os.getuid()).pw_dir
    if Path(home).stat().st_uid != os.getuid():
        pytest.skip("this user's home is not this user's.")
    assert folders.state() == f"{home}/.local/state/{folders.NAME}"


def test_an_edit_is_noticed_without_the_variable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    entry = list(pwd.getpwuid(os.getuid()))
    entry[5] = str(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: pwd.struct_passwd(entry))
    before = catalog.stamp()
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("{}")
    after = catalog.stamp()
    assert before != after
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.stamp() == after


def test_what_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "options"
    target.mkdir()  # a file cannot take its place
    with pytest.raises(IsADirectoryError):
        folders.write(str(target), b"text")
    assert list(tmp_path.iterdir()) == [target]
