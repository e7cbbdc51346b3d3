"""The list and its refresher against the demo cluster: what is listed, and that nothing surprises anybody."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from k8s_extcap.edge import catalog, recents
from k8s_extcap.model import ids
from k8s_extcap.model.ids import Name
from testbed.demo.cluster import DemoCluster
from testbed.demo.faults import Fault, Kind
from tests.process.list_home import Home, eventually

pytestmark = pytest.mark.demo
Factory = Callable[..., AbstractContextManager[DemoCluster]]


@pytest.fixture
def home(demo: DemoCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A user of the context `demo`, whose files this process can read by the same functions."""
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return Home.of(tmp_path, demo.kubeconfig)


def pods(rows: list[str]) -> list[str]:
    return [row for row in rows if row.startswith("k8s-pod-")]


def test_the_first_list_ever_has_the_pods_of_the_current_namespace(home: Home) -> None:
    home.list()
    assert eventually(lambda: bool(home.cluster["rows"]))
    rows = home.list()
    assert rows[0] == "k8s-browse"
    assert pods(rows)
    namespace = home.cluster["namespace"]
    assert all(name.startswith(f"k8s-pod-{namespace}.") for name in pods(rows))
    assert rows == sorted(set(rows))


def test_what_tells_pods_apart_comes_first(home: Home) -> None:
    home.refresh()
    row = pods(home.list())[0]
    name = ids.parse(row)
    assert name is not None
    display = home.display(row)
    assert display.startswith(f"{name.name}, {name.namespace}, ")
    assert display.endswith(", demo")  # the kubeconfig has several contexts
    home.save(contexts=[c for c in home.config["contexts"] if c["name"] == "demo"])
    home.refresh()
    assert not home.display(row).endswith("demo")


def test_all_files_are_the_users_own(home: Home) -> None:
    home.refresh()
    for path in [home.catalog, *home.catalog.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("context", ["demo-dev"])
def test_rights_in_one_namespace_are_enough(home: Home, context: str) -> None:
    home.save(**{"current-context": context})
    home.refresh()
    assert home.cluster["error"] == ""
    assert pods(home.list())
    assert all(row.startswith("k8s-pod-dev.") for row in pods(home.list()))


def test_who_may_not_list_pods_reads_why_and_can_still_browse(home: Home) -> None:
    home.save(**{"current-context": "demo-nolist"})
    home.refresh()
    assert home.list() == ["k8s-browse"]
    assert "forbidden" in home.cluster["error"]
    assert "forbidden" in home.display("k8s-browse")


COUNTING = """
echo x >> "$HOME/runs"
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"}}' "$TOKEN"
"""


def test_a_hundred_lists_run_the_credential_plugin_once(home: Home) -> None:
    home.plugin(COUNTING)
    lists = [home.list() for _ in range(100)]
    assert eventually(lambda: bool(pods(home.list())))
    assert pods(lists[-1])
    assert (home.folder / "runs").read_text() == "x\n"


PLUGINS = {
    "hangs": ("sleep 1000", "did not answer"),
    "prints": ("echo hello; echo world >&2", "no ExecCredential"),
    "fails": ("echo 'token has expired: log in' >&2; exit 3", "token has expired: log in"),
    "opens the terminal": (
        'echo password: > /dev/tty && read answer < /dev/tty || { echo "no tty" >&2; exit 1; }',
        "no tty",
    ),
    "opens a browser": (
        '[ -n "$DISPLAY$BROWSER" ] && touch "$HOME/opened"; echo "no way to ask" >&2; exit 1',
        "no way to ask",
    ),
    "is not there": (None, "was not found"),
}


@pytest.mark.parametrize("how", [pytest.param(h, marks=pytest.mark.slow) if h == "hangs" else h for h in PLUGINS])
def test_a_plugin_that_misbehaves_costs_the_list_nothing(home: Home, how: str) -> None:
    script, reason = PLUGINS[how]
    home.variables.update(DISPLAY=":99", BROWSER="/bin/false")
    program = home.plugin(script or "")
    if script is None:
        program.unlink()
    for _ in range(3):
        assert home.list() == ["k8s-browse"]
    assert eventually(lambda: reason in home.cluster["error"]), home.status
    assert not (home.folder / "opened").exists()
    assert home.list() == ["k8s-browse"]
    assert home.due() > time.time() + 200  # not again soon


@pytest.mark.slow
def test_a_list_does_not_wait_for_a_plugin_that_hangs(home: Home) -> None:
    home.plugin('echo $$ > "$HOME/pid"; exec sleep 1000')
    assert home.list() == ["k8s-browse"]
    assert eventually(lambda: bool((home.folder / "pid").read_text().strip()))
    pid = int((home.folder / "pid").read_text())
    os.kill(pid, 0)  # answered while it still hangs
    assert home.list() == ["k8s-browse"]
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())  # ended by the refresher, not left behind


def test_one_that_always_asks_a_person_is_never_run(home: Home) -> None:
    home.plugin('touch "$HOME/run"', mode="Always")
    home.list()
    assert eventually(lambda: "always asks a person" in home.cluster["error"])
    assert not (home.folder / "run").exists()


# A file that is fine and names no context at all takes its rows away: they are of a cluster that nobody has any more.
BROKEN = {
    "missing": (None, "There is no kubeconfig"),
    "no yaml": ("{[", "not valid YAML"),
    "empty": ("", "kubeconfig"),
    "no contexts": ('{"apiVersion":"v1","kind":"Config","contexts":[]}', "no context"),
}


# A short name: the row shows the sentence as far as there is room, and the folder's path has this test's name.
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file(home: Home, how: str) -> None:
    """It leaves the list and tells why."""
    text, reason = BROKEN[how]
    home.refresh()
    before = home.list()
    assert pods(before)
    home.kubeconfig.unlink()
    if text is not None:
        home.kubeconfig.write_text(text)
    home.refresh()
    assert home.list() == (["k8s-browse"] if how == "no contexts" else before)
    assert reason in home.status["error"]
    assert reason in home.display("k8s-browse")
    home.save()
    home.refresh()  # a change of the file counts at once, whatever the back-off says
    assert home.status["error"] == ""


def test_a_cluster_that_does_not_answer_keeps_its_rows_and_is_asked_less_and_less(home: Home) -> None:
    home.refresh()
    before = home.list()
    nobody = "http://127.0.0.1:9"  # the discard port: the same cluster behind a proxy that is none
    home.variables.update(HTTPS_PROXY=nobody, https_proxy=nobody, NO_PROXY="", no_proxy="")
    pauses = []
    for _ in range(4):
        home.make_due()
        home.refresh()
        pauses.append(home.due() - time.time())
        assert home.list() == before
    assert home.cluster["error"]
    assert [round(pause / 60) for pause in pauses] == [5, 15, 60, 60]
    home.variables.clear()
    home.make_due()
    home.refresh()
    assert (home.cluster["error"], home.cluster["failures"]) == ("", 0)
    assert home.due() <= time.time() + 30


def test_the_servers_wish_for_a_pause_is_honoured(demo_factory: Factory, tmp_path: Path) -> None:
    with demo_factory() as own:
        home = Home.of(tmp_path, own.kubeconfig)
        own.add_fault(Fault(Kind.TOO_MANY, path="/pods", seconds=1800))
        home.refresh()
        assert 1700 < home.due() - time.time() < 1900
        assert home.list() == ["k8s-browse"]


@pytest.mark.parametrize("kind", [Kind.REFUSE, Kind.HTML_403, Kind.UNAUTHORIZED, Kind.SERVER_ERROR])
def test_any_fault_of_the_server_leaves_the_list(demo_factory: Factory, tmp_path: Path, kind: Kind) -> None:
    with demo_factory() as own:
        home = Home.of(tmp_path, own.kubeconfig)
        home.refresh()
        before = home.list()
        assert pods(before)
        home.make_due()
        number = own.add_fault(Fault(kind, path="/pods"))
        home.refresh()
        assert own.fault_hits()[number] >= 1
        assert home.list() == before
        assert home.cluster["error"]


def test_at_most_one_refresh_in_thirty_seconds(home: Home) -> None:
    home.refresh()
    checked = home.cluster["checked"]
    due = home.due()
    assert 0 < due - time.time() <= 30
    (home.catalog / "status").write_text((home.catalog / "status").read_text().replace(str(checked), "17"))
    home.refresh()
    assert home.cluster["checked"] == 17


def test_one_refresher_at_a_time(home: Home) -> None:
    home.refresh()
    home.make_due()
    with (home.catalog / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home.refresh()
        assert home.due() == 1
    home.refresh()
    assert home.due() > 1


def test_two_lists_at_once_start_one_refresher(home: Home) -> None:
    assert catalog.claim("stamp")
    assert not catalog.claim("stamp")
    assert catalog.claim("another stamp")


def test_a_listed_name_means_the_cluster_it_was_listed_from(home: Home) -> None:
    home.refresh()
    row = pods(home.list())[0]
    before = catalog.origin(row)
    assert before is not None
    assert (before.context, before.alias) == ("demo", ids.alias_of("demo"))
    assert before.server == home.config["clusters"][0]["cluster"]["server"]
    assert len(before.ca_digest) == 16
    home.save(**{"current-context": "demo-dev"})
    home.refresh()
    assert row not in home.list()
    after = catalog.origin(row)
    assert after is not None
    assert after.context == "demo"
    assert catalog.origin("k8s-pod-shop.never-listed") is None
    here = pods(home.list())[0]
    found = catalog.origin(here.upper())
    assert found is not None
    assert found.context == "demo-dev"


def test_rows_of_a_context_that_became_another_cluster_are_gone(home: Home) -> None:
    home.refresh()
    assert pods(home.list())
    home.config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    home.save()
    home.refresh()
    assert home.list() == ["k8s-browse"]


def test_two_kubeconfigs_do_not_take_turns(home: Home, tmp_path: Path) -> None:
    home.refresh()
    before = home.list()
    other = tmp_path / "other"
    other.write_text("{}")
    home.variables["KUBECONFIG"] = str(other)
    assert home.list() == ["k8s-browse"]
    home.variables.clear()
    assert home.list() == before


def test_favourites_and_recents_are_listed_wherever_they_are(home: Home) -> None:
    home.refresh()
    known = ids.parse(pods(home.list())[0])
    assert known is not None
    home.save(**{"current-context": "demo-dev"})
    recents.remember(known, "demo")
    recents.add_favourite(Name("deploy", "shop", "web"), "demo")
    recents.add_favourite(Name("node", name="n7"), "demo-dev")
    home.refresh()
    rows = home.list()
    alias = ids.alias_of("demo")
    elsewhere = ids.render(Name(known.kind, known.namespace, known.name, alias=alias))
    assert {elsewhere, f"k8s-deploy-{alias}_shop.web", "k8s-node-n7"} <= set(rows)
    assert home.display(elsewhere).endswith(", demo")
    origin = catalog.origin(elsewhere)
    assert origin is not None
    assert origin.context == "demo"


def test_a_recent_pod_that_is_gone_is_not_listed(home: Home) -> None:
    home.refresh()
    namespace = home.cluster["namespace"]
    recents.remember(Name("pod", namespace, "was-here-yesterday"), "demo")
    home.make_due()
    home.refresh()
    assert f"k8s-pod-{namespace}.was-here-yesterday" not in home.list()


def test_kinds_and_limit_are_settings(home: Home) -> None:
    settings = home.folder / "ours/config/settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('limit = 500\nkinds = ["container", "deploy", "svc", "ns", "node"]\n')
    home.refresh()
    kinds = {row.split("-")[1] for row in home.list()}
    assert {"container", "deploy", "svc", "ns", "node"} <= kinds
    assert "pod" not in kinds
    settings.write_text("limit = 3\n")
    home.make_due()
    home.refresh()
    assert len(home.list()) == 3 + 1
    settings.write_text("limit = many\n")
    home.make_due()
    home.refresh()
    assert "settings.toml" in home.status["error"]
    assert len(home.list()) == 3 + 1


@pytest.fixture(scope="module")
def crowd(demo_factory: Factory) -> Iterator[DemoCluster]:
    """10,000 pods, all in one namespace."""
    with demo_factory(scale="10000x1") as cluster:
        yield cluster


@pytest.mark.slow
def test_ten_thousand_pods_cost_no_memory_and_no_rows(crowd: DemoCluster, demo: DemoCluster, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    few, many = Home.of(tmp_path / "few", demo.kubeconfig), Home.of(tmp_path / "many", crowd.kubeconfig, "team-000")
    small, large = few.refresh(), many.refresh()
    assert many.cluster["seen"] == 10_000
    assert len(pods(many.list())) == 32
    # Pages of 500 are all that differs: their text and their objects, for a moment.
    assert large - small < 48 * 1024, f"{small} and {large} KiB"


def test_a_refresh_forgets_only_programs_that_ended(home: Home) -> None:
    for program in ("", "4194304999-1"):
        catalog.show(program, "4.2", "demo")
    home.refresh()
    assert catalog.shown_to("") == ("4.2", "")
    assert catalog.shown_to("4194304999-1") == ("", "")
