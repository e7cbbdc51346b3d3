"""Values of the table -> one request; what is refused, by a sentence with option, value and what is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.model import ids
from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest, Connection, Helper, Limits
from k8s_extcap.wireshark import target, units
from k8s_extcap.wireshark.options import BY_CALL, HELPER_IMAGE, OPTIONS
from k8s_extcap.wireshark.request import log_of, settle, to_request

BROWSE, POD = Name("browse"), Name("pod", "shop", "web-1")


def test_nothing_said_is_the_models_default() -> None:
    assert to_request(POD, {}) == CaptureRequest(target=POD, helper=Helper(image=HELPER_IMAGE))


def test_the_tables_defaults_say_the_same_as_silence() -> None:
    spoken = {o.call: o.default for o in OPTIONS}
    assert to_request(POD, spoken) == to_request(POD, {})


def test_everything_said() -> None:
    said = {
        "container": "app", "nic": "net1", "filter": "port 80", "snaplen": "96", "promiscuous": "true",
        "buffer": "4 MiB",
        "limit-packets": "10", "limit-bytes": "1.5 kB", "limit-time": "1h30m", "limit-rate": "1MB/s",
        "method": "nsenter",
        "allow": "upload", "helper-image": "r/i@sha256:00", "pull-secret": "regcred", "helper-namespace": "tools",
        "service-account": "capture", "tolerations": "none", "helper-labels": "team=net, a/b=c", "privileged": "yes",
        "upload-folder": "/tmp/", "tcpdump": "/opt/tcpdump", "no-print": "true", "service-labels": "on",
        "no-events": "true",
        "output": "pcap",
        "comment": "why", "add-who": "true", "add-labels": "true", "kubeconfig": "/k", "proxy": "http://p:3128",
        "timeout": "5", "wait": "0", "reconnect": "60", "context": "prod",
    }  # fmt: skip
    assert set(said) == set(BY_CALL) - {
        "target",
        "namespace",
        "kind",
        "name",
        "remember",
        "add-where",
        "log-level",
        "log-file",
    }
    assert to_request(POD, said) == CaptureRequest(
        target=POD,
        container="app",
        interface="net1",
        filter="port 80",
        snaplen=96,
        promiscuous=True,
        buffer_kib=4096,
        limits=Limits(10, 1500, 5400.0, 1_000_000),
        method="nsenter",
        allow="upload",
        helper=Helper("r/i@sha256:00", "regcred", "tools", "capture", "none", (("team", "net"), ("a/b", "c")), True),
        upload_folder="/tmp",
        tcpdump="/opt/tcpdump",
        print_mode=False,
        service_labels=True,
        announce=False,
        output="pcap",
        comment="why",
        metadata=("who", "labels"),
        connection=Connection("/k", "prod", "http://p:3128", 5.0, 0.0, 60.0),
    )


def test_the_hosts_filter_wins() -> None:
    assert to_request(POD, {"filter": "udp"}, " tcp ").filter == "tcp"
    assert to_request(POD, {"filter": "udp"}, " ").filter == "udp"


def test_none_empties_and_a_blank_does_not_choose() -> None:
    assert to_request(POD, {"limit-rate": "none"}).limits.rate == 0
    assert to_request(POD, {"limit-rate": " "}).limits.rate == 20_000_000
    assert to_request(POD, {"comment": "none", "tcpdump": "none"}) == to_request(POD, {})
    assert to_request(POD, {"helper-image": "none"}).helper.image == ""
    assert to_request(POD, {"helper-image": " "}).helper.image == HELPER_IMAGE


@pytest.mark.parametrize(
    ("call", "value", "accepted"),
    [
        ("nic", "x" * 16, "eth0"),
        ("nic", "a/b", "eth0"),
        ("nic", "-w", "eth0"),
        ("snaplen", "-1", "0 to 262144"),
        ("snaplen", "1e3", "0 to 262144"),
        ("snaplen", "262145", "0 to 262144"),
        ("promiscuous", "perhaps", "true or false"),
        ("buffer", "1", "64 KiB"),
        ("buffer", "2 GiB", "1024 MiB"),
        ("limit-packets", "many", "whole number"),
        ("limit-bytes", "5 apples", "GiB"),
        ("limit-bytes", "-5", "GiB"),
        ("limit-time", "soon", "1h30m"),
        ("limit-rate", "1", "10 kB"),
        ("method", "magic", "auto, resident, upload"),
        ("allow", "copy", "resident, upload, ephemeral, nsenter"),
        ("helper-image", "a b", "registry/name:tag"),
        ("helper-labels", "x", "key=value"),
        ("helper-labels", "a=b;c", "key=value"),
        ("upload-folder", "tmp", "/tmp"),
        ("tcpdump", "tcpdump", "path from the root"),
        ("output", "text", "pcapng, pcap"),
        ("proxy", "proxy:3128", "http://HOST:PORT"),
        ("timeout", "0", "1 to 600"),
        ("wait", "9999", "0 to 3600"),
        ("comment", "a\nb", "Remove them"),
    ],
)
def test_a_value_that_is_not_accepted_is_named_with_what_is(call: str, value: str, accepted: str) -> None:
    with pytest.raises(UsageError) as caught:
        to_request(POD, {call: value})
    assert caught.value.sentence.startswith(f"--{call}: ")
    assert accepted in caught.value.sentence
    assert len(caught.value.sentence) < 400


def test_a_proxys_password_stays_out_of_the_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        to_request(POD, {"proxy": "socks5://me:secret@host"})
    assert "secret" not in caught.value.sentence


@pytest.mark.parametrize("text", ["x" * 16385, "tcp\0", "tcp \x1b[2J"])
def test_a_filter_that_cannot_travel(text: str) -> None:
    with pytest.raises(UsageError, match="capture filter"):
        to_request(POD, {}, text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"target": "shop/web"}, Name("pod", "shop", "web")),
        ({"target": "shop/web", "kind": "node", "name": "n1"}, Name("pod", "shop", "web")),
        ({"target": "web", "namespace": "shop"}, Name("pod", "shop", "web")),
        ({"target": "web"}, Name("pod", "", "web")),
        ({"name": "web"}, Name("pod", "", "web")),
        ({"name": "web", "namespace": "shop", "kind": "deploy"}, Name("deploy", "shop", "web")),
        ({"name": "n1", "kind": "node", "namespace": "shop"}, Name("node", name="n1")),
        ({"name": "shop", "kind": "ns"}, Name("ns", "shop")),
        ({"namespace": "shop", "kind": "ns"}, Name("ns", "shop")),
    ],
)
def test_what_was_chosen_in_browse(values: dict[str, str], expected: Name) -> None:
    assert to_request(BROWSE, values).target == expected


@pytest.mark.parametrize(
    "interface",
    ["k8s-container-shop....app", "k8s-pod-..._0123456789abcdef", "k8s-svc-.._0123456789abcdef", "k8s-pod--shop.web"],
)
def test_an_interface_name_leads_nowhere_else_in_the_api(interface: str) -> None:
    """Two dots in a path mean the folder above: `pods/..` is the namespace, `namespaces/..` is everybody's pods."""
    name = ids.parse(interface)
    assert name is not None
    with pytest.raises(UsageError, match="cannot be a"):
        to_request(name, {})
    with pytest.raises(UsageError, match="cannot be a"):
        target.parse(interface)


@pytest.mark.parametrize("values", [{}, {"name": "."}, {"namespace": "shop"}, {"kind": "ns"}, {"target": " "}])
def test_nothing_chosen_is_a_sentence_and_no_guess(values: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="Nothing is chosen to capture"):
        to_request(BROWSE, values)


def test_the_contexts_namespace_is_filled_in_where_none_was_said() -> None:
    assert settle(to_request(BROWSE, {"target": "web"}), "shop").target == POD.__class__("pod", "shop", "web")
    assert settle(to_request(BROWSE, {"target": "a/web"}), "shop").target.namespace == "a"
    assert settle(to_request(BROWSE, {"target": "node/n1"}), "shop").target == Name("node", name="n1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop/web-1/app", Name("container", "shop", "web-1", "app")),
        ("pod/deploy/web", Name("pod", "deploy", "web")),
        ("container/shop/web/app", Name("container", "shop", "web", "app")),
        ("deployment/shop/web", Name("deploy", "shop", "web")),
        ("Deploy/shop/web", Name("deploy", "shop", "web")),
        ("deploy/web", Name("deploy", "here", "web")),
        ("services/shop/web", Name("svc", "shop", "web")),
        ("sts/shop/db", Name("sts", "shop", "db")),
        ("ds/shop/log", Name("ds", "shop", "log")),
        ("job/shop/once", Name("job", "shop", "once")),
        ("node/n1.example.org", Name("node", name="n1.example.org")),
        ("ns/shop", Name("ns", "shop")),
        ("shop/web.v2", Name("pod", "shop", "web.v2")),
        ("k8s-deploy-shop.web", Name("deploy", "shop", "web")),
        (" shop/web ", Name("pod", "shop", "web")),
    ],
)
def test_the_grammar_of_targets(text: str, expected: Name) -> None:
    assert target.parse(text, "here") == expected


@pytest.mark.parametrize(
    "text",
    ["", "/", "a//b", "a/b/c/d", "node/a/b", "ns/a/b", "deploy/a/b/c", "A/b", "a/b_c", "a/-b", "a/b/c.d", "a b/c",
     "k8s-browse", "k8s-pod-", "../../etc", "a/" + "x" * 254, "pod/" + "n" * 64 + "/b", "a/b;c", "a/$(x)"],
)  # fmt: skip
def test_what_names_no_target(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        target.parse(text)
    assert len(caught.value.sentence) < 400


@given(st.text(max_size=60))
def test_whatever_passes_is_a_name_that_comes_back(text: str) -> None:
    try:
        name = target.parse(text, "here")
    except UsageError:
        return
    assert ids.parse(ids.render(name)) == name


@given(st.sampled_from(sorted(BY_CALL)), st.text(max_size=30))
def test_no_value_gets_past_as_anything_but_a_request_or_a_sentence(call: str, value: str) -> None:
    sentence = "nothing to say"
    try:
        to_request(POD, {call: value})
    except UsageError as error:
        sentence = error.sentence
    assert 10 < len(sentence) <= 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500", 500), ("500B", 500), ("1k", 1000), ("1 kB", 1000), ("1KiB", 1024), ("1.5 MB", 1_500_000), ("2GiB", 2**31),
     ("20 MB/s", 20_000_000), ("1 Mbytes", 1_000_000)],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert units.size("--x", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400)]
)
def test_durations(text: str, expected: float) -> None:
    assert units.seconds("--x", text) == expected


@pytest.mark.parametrize("text", ["", "s", "5x", "1..5", "-1", "5m x", "1e9", "5 m x3"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        units.seconds("--x", text)


def test_where_to_log() -> None:
    assert log_of({}) == ("warning", "")
    assert log_of({"log-level": "debug", "log-file": "/x"}) == ("debug", "/x")
