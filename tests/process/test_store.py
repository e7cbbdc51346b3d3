"""The option store on a real disk, with real processes writing at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8s_extcap.edge import store, storing
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.ids import Name, alias_of
from k8s_extcap.model.objects import Meta, OwnerReference, Pod
from k8s_extcap.model.plan import Target
from k8s_extcap.run.asked import Asked
from k8s_extcap.wireshark.options import BY_CALL, MARKER
from k8s_extcap.wireshark.request import to_request

HERE = "prod-12ab"
WEB = Name("pod", "shop", "web-7d9f8b6c5-x2x4z")
NEXT = Name("pod", "shop", "web-66b5c4d9f7-b7k2q")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path))
    return tmp_path


def dialog(name: Name, scope: str = "workload", owner: str = "", **values: str) -> None:
    """A start from a dialog whose values are these."""
    passed = {call.replace("_", "-"): value for call, value in values.items()} | {MARKER: scope}
    storing.remember(HERE, name, owner, passed, "gui")


def loaded(name: Name, cluster: str = HERE) -> dict[str, str]:
    return store.load(cluster, name)


def test_nothing_is_remembered_at_first() -> None:
    assert loaded(WEB) == {}


def test_stop_and_start_again_keeps_the_options() -> None:
    dialog(WEB, nic="lo", snaplen="96", comment="a\tb\nc%09=")
    for _ in range(3):
        storing.remember(HERE, WEB, "", {}, "gui")  # the second start passes nothing at all
        assert loaded(WEB) == {"nic": "lo", "snaplen": "96", "comment": "a\tb\nc%09="}
    assert store.resolve(HERE, WEB, {"snaplen": "0"}, "gui")["snaplen"] == "0"
    assert store.resolve(HERE, WEB, {}, "gui")["nic"] == "lo"


def test_a_pod_replaced_by_its_deployment_keeps_its_options() -> None:
    dialog(WEB, owner="deploy/web", nic="lo")
    assert loaded(NEXT) == {"nic": "lo"}
    assert loaded(Name("deploy", "shop", "web")) == {"nic": "lo"}
    assert loaded(Name("pod", "shop", "web-server-7d9f8b6c5-x2x4z")) == {}
    assert loaded(Name("pod", "shop", "web")) == {}


def test_a_pod_on_its_own_is_itself_only() -> None:
    dialog(WEB, nic="lo")
    assert loaded(NEXT) == {}
    assert loaded(WEB) == {"nic": "lo"}


def test_names_that_share_wiresharks_key_do_not_share_here() -> None:
    dialog(Name("pod", "a", "b-c"), nic="lo")
    assert loaded(Name("pod", "a-b", "c")) == {}
    assert loaded(Name("container", "a", "b", "c")) == {}


def test_clusters_namespaces_and_containers_are_apart() -> None:
    dialog(WEB, nic="lo")
    dialog(Name("container", "shop", WEB.name, "app"), nic="eth0")
    assert loaded(WEB) == {"nic": "lo"}
    assert loaded(Name("container", "shop", WEB.name, "app")) == {"nic": "eth0"}
    assert loaded(Name("container", "shop", WEB.name, "other")) == {"nic": "lo"}
    assert loaded(WEB, "staging-99ff") == {}
    assert loaded(Name("pod", "shop2", WEB.name)) == {}


def test_this_start_is_kept_nowhere() -> None:
    dialog(WEB, "start", nic="lo")
    assert loaded(WEB) == {}


def test_tshark_writes_nothing_and_is_told_nothing() -> None:
    storing.remember(HERE, WEB, "", {MARKER: "workload", "nic": "lo"}, "tshark")
    assert loaded(WEB) == {}
    dialog(WEB, nic="lo")
    assert store.resolve(HERE, WEB, {"snaplen": "5"}, "tshark") == {"snaplen": "5"}


def test_wider_scopes_reach_others_but_not_with_consent() -> None:
    dialog(WEB, "namespace", nic="lo", method="upload", container="app", allow="nsenter")
    assert loaded(WEB) == {"nic": "lo", "method": "upload", "container": "app", "allow": "nsenter"}
    assert loaded(Name("pod", "shop", "db")) == {"nic": "lo"}
    assert loaded(Name("pod", "other", "db")) == {}


def test_everywhere_is_consent_for_everywhere() -> None:
    dialog(WEB, "everywhere", nic="lo", method="upload", container="app")
    assert loaded(Name("pod", "other", "db"), "staging-99ff") == {"nic": "lo", "method": "upload"}
    assert loaded(Name("browse")) == {"nic": "lo", "method": "upload"}


def test_a_wider_choice_moves_this_targets_own_up() -> None:
    dialog(WEB, nic="lo")
    dialog(WEB, "namespace", nic="any")
    assert loaded(WEB) == {"nic": "any"}
    dialog(WEB, "everywhere", snaplen="5")
    assert loaded(WEB) == loaded(Name("node", name="n1")) == {"nic": "any", "snaplen": "5"}


def test_a_default_chosen_again_over_a_wider_value_is_kept() -> None:
    dialog(WEB, "namespace", snaplen="96", comment="c", nic="lo", promiscuous="true")
    dialog(WEB, snaplen="0", comment="none", nic=".", promiscuous="false")
    assert loaded(WEB) == {"snaplen": "0", "comment": "none", "nic": ".", "promiscuous": "false"}
    assert loaded(Name("pod", "shop", "db"))["snaplen"] == "96"


def test_a_default_chosen_again_is_forgotten() -> None:
    dialog(WEB, snaplen="96", comment="c", nic="lo")
    dialog(WEB, snaplen="0", comment="none", nic=".")
    assert loaded(WEB) == {}
    assert Path(store.path()).read_text().split("\n") == [store.HEADER, ""]


def test_saving_one_dialog_loses_nobodys() -> None:
    names = [Name("pod", "shop", f"p-{i}") for i in range(100)]
    for i, name in enumerate(names):
        dialog(name, snaplen=str(i + 1))
    assert [loaded(name)["snaplen"] for name in names] == [str(i + 1) for i in range(100)]


def test_the_longest_untouched_go_when_there_are_too_many() -> None:
    records = {(HERE, "ns", f"pod/p{i}", ""): store.Record(i, {"comment": "x" * 100}) for i in range(1000)} | {
        ("", "", "", ""): store.Record(0, {"nic": "lo"})
    }
    text = store.render(records)
    assert store.LIMIT - 200 < len(text) <= store.LIMIT
    kept = store.parse(text)
    assert ("", "", "", "") in kept
    assert min(record.stamp for key, record in kept.items() if key[0]) == 1000 - (len(kept) - 1)


def test_writers_at_once_lose_nothing(home: Path) -> None:
    code = (
        "import sys\nfrom k8s_extcap.edge import storing\nfrom k8s_extcap.model.ids import Name\n"
        "storing.PATIENCE = 60.0\n"  # who gets the lock is chance; on a busy machine eight may keep one waiting
        "for i in range(10):\n"
        "    name = Name('pod', 'ns', f'p{sys.argv[1]}-{i}-x')\n"
        "    storing.remember('c', name, '', {'remember': 'workload', 'snaplen': '7'}, 'gui')\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(n)], env={**os.environ, "K8S_EXTCAP_HOME": str(home)})
        for n in range(8)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 8
    for n in range(8):
        for i in range(10):
            assert store.load("c", Name("pod", "ns", f"p{n}-{i}-x")) == {"snaplen": "7"}


def test_only_its_owner_reads_it_and_no_half_file_is_left(home: Path) -> None:
    dialog(WEB, nic="lo")
    file = Path(store.path())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [f for f in file.parent.iterdir() if f.name.startswith(".options-")]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"k8s-extcap options 1\nx\ty\n\t\t\t\t5\tnic\n", b"\n" * 70000]
)
def test_a_damaged_file_is_no_obstacle(content: bytes) -> None:
    dialog(WEB, nic="lo")
    Path(store.path()).write_bytes(content)
    assert loaded(WEB) == {}


def test_a_later_format_is_not_overwritten() -> None:
    dialog(WEB, nic="lo")
    Path(store.path()).write_text("k8s-extcap options 2\n")
    assert loaded(WEB) == {}
    with pytest.raises(ConfigError, match="another version"):
        dialog(WEB, nic="any")
    assert Path(store.path()).read_text() == "k8s-extcap options 2\n"


def test_a_folder_that_cannot_be_written_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(home / "file"))
    assert loaded(WEB) == {}
    with pytest.raises(ConfigError, match="could not be remembered"):
        dialog(WEB, nic="lo")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["workload", "namespace", "everywhere"]),
    st.dictionaries(
        st.sampled_from([c for c, o in BY_CALL.items() if o.keep != "never"]), st.text(max_size=12), max_size=5
    ),
)
def test_what_was_chosen_is_what_comes_back(scope: str, values: dict[str, str]) -> None:
    storing.remember(HERE, WEB, "deploy/web", values | {MARKER: scope}, "gui")
    after = loaded(WEB)
    for call, value in values.items():
        option = BY_CALL[call]
        meant = value.strip() or option.default
        if option.kind in ("text", "file") and meant.lower() == "none" and not option.default:
            meant = ""
        got = after.get(call, option.default)
        assert ("" if got.lower() == "none" and not option.default else got) == meant


def pod(name: str, kind: str, owner: str, template: str = "") -> Pod:
    reference = OwnerReference(kind=kind, name=owner, controller=True)
    return Pod(metadata=Meta(name=name, labels={"pod-template-hash": template}, owner_references=(reference,)))


def test_browse_remembers_under_what_it_captured_and_where_that_was_found() -> None:
    passed = {MARKER: "workload", "target": WEB.name, "snaplen": "96", "context": "prod"}
    asked = Asked(to_request(Name("browse"), passed), None, "", "gui", passed)
    asked.remember(Target("prod", "shop", pod(WEB.name, "ReplicaSet", "web-7d9f8b6c5", "7d9f8b6c5")))
    assert store.load(alias_of("prod"), NEXT) == {"snaplen": "96"}
    assert store.load("", Name("browse")) == {}


LONG = "a" * 60


@pytest.mark.parametrize(
    ("made", "owner"),
    [
        (pod("web-7d9f8b6c5-x2x4z", "ReplicaSet", "web-7d9f8b6c5", "7d9f8b6c5"), "deploy/web"),
        (pod("rs-x2x4z", "ReplicaSet", "rs"), "rs/rs"),
        (pod("db-0", "StatefulSet", "db"), "sts/db"),
        (pod("log-b7k2q", "DaemonSet", "log"), "ds/log"),
        (pod("once-b7k2q", "Job", "once"), "job/once"),
        (pod("once-3-b7k2q", "Job", "once"), "job/once"),
        (pod("tick-29391231-b7k2q", "Job", "tick-29391231"), "cronjob/tick"),
        (pod(f"{LONG}-7d9f8b6c5"[:58] + "x2x4z", "ReplicaSet", f"{LONG}-7d9f8b6c5", "7d9f8b6c5"), f"deploy/{LONG}"),
        (pod("x", "Node", "n1"), ""),
    ],
)
def test_the_owner_of_a_pod_and_its_name_agree(made: Pod, owner: str) -> None:
    assert store.owner_of(made) == owner
    if owner:
        assert store.belongs(owner, made.metadata.name)
        assert not store.belongs(owner, "other-" + made.metadata.name)
        assert not store.belongs(owner.replace("/", "/x"), made.metadata.name)
