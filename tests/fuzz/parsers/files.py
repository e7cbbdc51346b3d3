"""Files of ours and of this machine: they may be damaged, cut, of another version, or somebody's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from k8s_extcap.edge import catalog, consent, folders, host, known, recents, settings, store, storing
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import METHODS
from k8s_extcap.run import journal, owner
from tests.fuzz.engine import Parser
from tests.fuzz.laws import documented, text

POD = Name("pod", "shop", "web-7d9f8b6c5-x2x4z")


def _put(path: str, data: bytes) -> None:
    folders.ensure(path.rpartition("/")[0])
    Path(path).write_bytes(data)


def _store(data: bytes) -> None:
    with documented():
        records = store.parse(data.decode("utf-8", "replace"))
        records = {key: record for key, record in records.items() if record.values}
        once = store.render(records)
        assert len(once.encode("utf-8", "replace")) <= store.LIMIT
        assert store.render(store.parse(once)) == once
    _put(store.path(), data)
    values = store.load("prod-12ab", POD)
    assert all(isinstance(value, str) for value in values.values())
    folder = store.path().rpartition("/")[0]
    before = sorted(os.listdir(folder))  # noqa: PTH208
    with documented():
        storing.remember("prod-12ab", POD, "deploy/web", {"remember": "workload", "nic": "eth0"}, "gui")
    assert set(os.listdir(folder)) - set(before) <= {"options.lock"}  # noqa: PTH208


def _catalog(data: bytes) -> None:
    for file in ("list", "origins", "started", f"shown/{host.identity()}"):
        _put(f"{catalog.folder()}/{file}", data)
    found, answer = catalog.load()
    assert (found is None) == (catalog.header() is None) or len(data) > 4096
    catalog.stale(found, "stamp")
    for name in ("k8s-pod-shop.web-1", "k8s-browse"):
        line = catalog.sentence(answer, name)
        assert line.count("\n") <= 1
        origin = catalog.origin(name)
        assert origin is None or origin.interface == name
    catalog.store_origins(catalog.origins())
    assert len(catalog.origins()) <= len(data)
    catalog.claim("stamp")


def _known(data: bytes) -> None:
    _put(catalog.folder() + "/status", data)
    known.store(known.load())


def _settings(data: bytes) -> None:
    _put(str(settings.path()), data)
    with documented():
        found = settings.load()
        assert 0 <= found.limit <= settings.MOST
        assert set(found.kinds) <= set(ids.KINDS)


def _policy(data: bytes) -> None:
    policy = Path(folders.config()) / "policy.toml"
    _put(str(policy), data)
    with documented():
        limit = consent.ceiling(policy)
        assert limit is None or limit in METHODS


def _recents(data: bytes) -> None:
    for file in ("recents", "favourites"):
        _put(f"{folders.state()}/{file}", data)
    assert len(recents.recents()) <= recents.KEPT
    for used in recents.favourites():
        assert ids.parse(ids.render(used.name)) is not None
        assert "\n" not in used.context


def _journal(data: bytes) -> None:
    path = journal.folder() + "/0a1b2c3d4e.jsonl"
    _put(path, data)
    found = journal.read(path)
    assert all(entry.number == number for number, entry in enumerate(found.entries))
    assert {type(entry.uid) for entry in found.entries} <= {str}
    assert {entry.done for entry in found.entries} <= {True, False}
    found.connection()
    owner.is_ours(found.owner)
    # Only owners that are ours are asked for: whatever stands behind our own name.
    owner.alive(f"{owner.me().partition('/')[0]}/{found.owner}")
    owner.alive(f"{owner.me().rpartition('/')[0]}/{found.owner}")


def _host(data: bytes) -> None:
    """What stands for a running program in a file's name, and how /proc spells a process."""
    said = text(data)
    assert host.alive(said) in (True, False)
    assert host.native(said) in (True, False)
    assert host.native(said.partition("\0")[0]) in (True, False)


def _refused(check: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """A file that cannot be read is an error of the configuration, never of anything else."""

    def checked(data: bytes) -> None:
        try:
            check(data)
        except ConfigError:
            raise AssertionError("documented() lets these pass") from None

    return checked


_OPTIONS = (
    b"k8s-extcap options 1\n\t\t\t\t1750000000\tadd-who=true\n"
    b"prod-12ab\tshop\tdeploy/web\t\t1750000000\tnic=eth0\tcomment=a%09b%0A=\n"
    b"prod-12ab\tshop\tdeploy/web\tapp\t17\tsnaplen=96\n"
)
_LIST = (
    b"k8s-extcap-catalog-1\t1750000000\tstamp\tprod\tprod-12ab\nextcap {version=1}{display=Kubernetes}\n"
    b"interface {value=k8s-browse}{display=b}\ninterface {value=k8s-pod-shop.web-1}{display=web-1, shop}\n"
)
_ORIGINS = b"k8s-pod-shop.web-1\tprod\tprod-12ab\thttps://10.0.0.1:6443\t0123\tshop\t1750000000\n"
_STATUS = (
    b'{"clusters":{"prod":{"context":"prod","alias":"prod-12ab","rows":[{"interface":"k8s-pod-a.b","display":"b"}],'
    b'"seen":3,"checked":1750000000,"due":1750000030}},"current":"prod","error":"","failures":0,"checked":17}'
)
_JOURNAL = (
    b'{"capture":"0a1b2c3d4e","owner":"root@host~1234/boot/12-34","kubeconfig":"/k","context":"prod","proxy":"",'
    b'"server":"https://10.0.0.1","ca":"01"}\n{"n":0,"undo":{"do":"delete","path":"/api/v1/namespaces/a/pods/b",'
    b'"what":"pod a/b"}}\n{"n":0,"uid":"u"}\n{"n":1,"undo":{"do":"remove","namespace":"a","files":["/tmp/x"]}}\n'
    b'{"n":1,"done":true}\n'
)

PARSERS = (
    Parser("store", _refused(_store), (_OPTIONS,), (b"\t", b"\n", b"%09", b"=", b"nic=", b"deploy/", b"17"), 0.1),
    Parser("catalog", _catalog, (_LIST, _ORIGINS), (b"\t", b"\n", b"interface {value=", b"k8s-browse", b"%25"), 0.05),
    Parser("known", _known, (_STATUS,), (b'"rows":', b"null", b'"due":', b"-1", b"1e9"), 0.1),
    Parser("settings", _refused(_settings), (b'limit = 32\nkinds = ["pod", "deploy"]\nnamespaces = ["shop"]\n',), (
        b"limit = ", b"kinds = ", b"namespaces = ", b"[", b"1979-05-27T07:32:00Z", b"0x", b"inf", b"'''",
        b"[a.b]\n"), 0.1),
    Parser("policy", _refused(_policy), (b'allow = "upload"\n',), (b"allow = ", b"resident", b"[", b"1979-05-27",
        b"'"), 0.1),
    Parser("recents", _recents, (b"k8s-pod-shop.web-1\tprod\t1750000000\nk8s-node-n1\t\t17\n",), (b"\t", b"\n",
        b"17"), 0.1),
    Parser("journal", _journal, (_JOURNAL,), (b'"n":', b'"undo":', b'"uid":', b"\n", b"true", b"1.0", b'"owner":'),
        0.1),
    Parser("process", _host, (b"1234-5678", b"eth0", b"lo", b"../lo"), (b"-", b"/", b"\0"), 0.2),
)  # fmt: skip
