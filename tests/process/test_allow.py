"""What a person allows in a context for good: for that cluster, in every way to capture, and no further."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from k8s_extcap.cli import allow
from k8s_extcap.edge import allowed, consent, store, storing
from k8s_extcap.model import ids
from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.run import asked
from k8s_extcap.wireshark import argv
from k8s_extcap.wireshark.options import BY_CALL, MARKER

POD = "k8s-pod-shop.web-1"
WEB = Name("pod", "shop", "web-1")
SERVERS = {"dev": "https://10.0.0.1:6443", "prod": "https://10.0.0.2:6443"}


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8S_EXTCAP_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return written(tmp_path / "config", SERVERS)


def written(path: Path, servers: dict[str, str]) -> Path:
    """A kubeconfig with these contexts, the first of them the current one."""
    path.write_text(
        json.dumps({
            "current-context": next(iter(servers)),
            "contexts": [{"name": n, "context": {"cluster": n, "user": "u", "namespace": "shop"}} for n in servers],
            "clusters": [{"name": n, "cluster": {"server": server}} for n, server in servers.items()],
            "users": [{"name": "u", "user": {"token": "x"}}],
        })
    )  # fmt: skip
    return path


def started(*options: str, interface: str = POD, host: str = "tshark") -> asked.Asked:
    """As a capture begins that this host starts with these options."""
    words = ["--capture", "--extcap-interface", interface, "--fifo", "/f", *options]
    return asked.from_invocation(argv.parse(words, frozenset(BY_CALL)), [f"/usr/bin/{host}"])


def permit(method: str = "", context: str = "", *, remove: bool = False) -> None:
    """`k8s-extcap allow`"""
    allow.allow(method, context, "", remove)


def test_it_is_the_default_of_may_use_in_that_context_only() -> None:
    assert started().request.allow == "ephemeral"
    permit("nsenter")
    assert started().request.allow == "nsenter"
    assert started("--context", "prod").request.allow == "ephemeral"
    permit("resident", "prod")
    assert started("--context", "prod").request.allow == "resident"


def test_what_is_said_for_a_capture_wins() -> None:
    permit("nsenter")
    assert started("--allow", "upload").request.allow == "upload"
    permit("upload")
    assert started("--allow", "nsenter").request.allow == "nsenter"


def test_a_context_that_leads_to_another_cluster_has_no_part_in_it(kubeconfig: Path) -> None:
    permit("nsenter")
    written(kubeconfig, {"dev": "https://10.9.9.9:6443"})
    assert started().request.allow == "ephemeral"
    permit("upload")
    assert started().request.allow == "upload"
    written(kubeconfig, SERVERS)
    assert started().request.allow == "nsenter"


def test_it_is_printed_and_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    permit("nsenter")
    capsys.readouterr()
    permit()
    assert capsys.readouterr().out == f"dev\tnsenter\t{SERVERS['dev']}\n"
    permit(remove=True)
    assert started().request.allow == "ephemeral"
    with pytest.raises(UsageError, match="Nothing was set"):
        permit(remove=True)
    permit()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("method", "context", "said"),
    [
        ("copy", "", "each capture has to name it"),
        ("everything", "", "Accepted: resident, upload, ephemeral, nsenter"),
        ("nsenter", "gone", "no context 'gone'. It has: dev, prod"),
    ],
)
def test_what_cannot_be_allowed_is_refused(method: str, context: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        permit(method, context)
    assert allowed.load() == []


def test_not_above_what_the_administrator_allows(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('allow = "upload"\n')
    with pytest.raises(UsageError, match="Its administrator allows up to upload"):
        allow.check("nsenter", policy)
    allow.check("upload", policy)
    permit("nsenter")
    assert consent.bounded(started().request, policy).allow == "upload"


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\0\n", b"a\tdev\n", b"\t\t\t\t\n", b"a\tdev\thttps://10.0.0.1:6443\t\teverything\n", b"\n" * 70000],
)
def test_what_is_not_understood_allows_nothing_and_is_no_obstacle(content: bytes) -> None:
    permit("upload")
    Path(allowed.path()).write_bytes(content)
    assert allowed.load() == []
    assert started().request.allow == "ephemeral"
    permit("nsenter")
    assert started().request.allow == "nsenter"


def test_the_dialog_shows_it_and_keeps_it_as_nobodys_choice() -> None:
    permit("nsenter")
    alias = ids.alias_of("dev")
    assert store.load(alias, WEB, allowed.shown(alias)) == {"allow": "nsenter"}
    passed = {"allow": "nsenter", "snaplen": "96", MARKER: "workload"}
    storing.remember(alias, WEB, "", passed, "gui", "nsenter")
    permit(remove=True)
    assert store.load(alias, WEB, allowed.shown(alias)) == {"snaplen": "96"}


@pytest.mark.parametrize("scope", ["workload", "namespace", "everywhere"])
def test_a_smaller_one_chosen_in_the_dialog_is_remembered(scope: str) -> None:
    permit("nsenter")
    alias = ids.alias_of("dev")
    storing.remember(alias, WEB, "", {"allow": "upload", MARKER: scope}, "gui", "nsenter")
    assert store.load(alias, WEB, "nsenter")["allow"] == "upload"
    other = store.load(alias, Name("pod", "shop", "db-0"), "nsenter")["allow"]
    assert other == "nsenter"
    storing.remember(alias, WEB, "", {"allow": "nsenter", MARKER: "workload"}, "gui", "nsenter")
    assert store.load(alias, WEB, "nsenter")["allow"] == "nsenter"


def test_a_dialog_that_showed_another_clusters_consent_does_not_give_it(kubeconfig: Path) -> None:
    """The hot lane knows the alias only; the capture knows the cluster."""
    permit("nsenter")
    written(kubeconfig, {"dev": "https://10.9.9.9:6443"})
    interface = f"k8s-pod-{ids.alias_of('dev')}_shop.web-1"
    call = started("--allow", "nsenter", f"--{MARKER}", "workload", interface=interface, host="wireshark")
    assert call.request.allow == "ephemeral"
    assert "allow" not in call.passed
    assert (
        started("--allow", "upload", f"--{MARKER}", "workload", interface=interface, host="wireshark").request.allow
        == "upload"
    )


def test_browse_means_the_context_that_was_chosen_there() -> None:
    permit("nsenter", "prod")
    words = ("--target", "shop/web-1", "--allow", "ephemeral", f"--{MARKER}", "workload")
    assert started(*words, "--context", "prod", interface="k8s-browse", host="wireshark").request.allow == "nsenter"
    assert started(*words, interface="k8s-browse", host="wireshark").request.allow == "ephemeral"


def twins() -> tuple[str, str]:
    """Two contexts whose letters and four digits are the same."""
    seen: dict[str, str] = {}
    for number in count():
        name = f"{number:05}.{'cluster-of-the-company-x'}"
        alias = ids.alias_of(name)
        if alias in seen:
            return seen[alias], name
        seen[alias] = name
    raise AssertionError


def test_two_contexts_with_the_same_four_digits_are_not_mixed_up(kubeconfig: Path) -> None:
    one, two = twins()
    written(kubeconfig, {"dev": SERVERS["dev"], one: "https://10.1.0.1:6443", two: "https://10.1.0.2:6443"})
    names = ["dev", one, two]
    short, long = ids.alias_of(one), ids.alias_of(one, names)
    assert long.startswith(short)
    assert len({ids.alias_of(name, names) for name in names}) == 3
    assert [ids.aliased(ids.alias_of(name, names), names) for name in names] == names
    assert ids.aliased(short, names) == ""
    for name in (one, two):
        interface = f"k8s-pod-{ids.alias_of(name, names)}_shop.web-1"
        assert started(interface=interface).request.connection.context == name
    with pytest.raises(ConfigError, match="No context of the kubeconfig has the short name"):
        started(interface=f"k8s-pod-{short}_shop.web-1")
    permit("nsenter", one)
    assert (allowed.shown(ids.alias_of(one, names)), allowed.shown(ids.alias_of(two, names))) == ("nsenter", "")
