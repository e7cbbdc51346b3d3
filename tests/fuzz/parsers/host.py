"""What the host, a person or the host's own command line says to us, and what we answer."""

from __future__ import annotations

from k8s_extcap.methods.memory import bytes_of
from k8s_extcap.model import ids
from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark import argv, config, options, parent, request, sentences, target, units
from k8s_extcap.wireshark.filter import check
from k8s_extcap.wireshark.lexer import KEYWORDS, OPERATORS
from tests.fuzz.engine import Parser
from tests.fuzz.laws import documented, pairs, shown, text, words
from tests.laws.host_grammar import interfaces, read

CALLS = frozenset(options.BY_CALL)


def _argv(data: bytes) -> None:
    line = words(data)
    found = argv.parse(line, CALLS)
    assert found.action == argv.action_of(line)
    assert len(found.rest) <= len(line)
    assert all(isinstance(value, str) for value in found.values.values())
    for field in ("interface", "fifo", "filter", "reload_option", "context"):
        assert isinstance(getattr(found, field), str)
    with documented():
        request.to_request(ids.parse(found.interface) or Name("browse"), found.values, found.filter)


def _names(data: bytes) -> None:
    said = text(data)
    name = ids.parse(said)
    if name is not None:
        again = ids.parse(ids.render(name))
        assert again is not None
        assert (again == name) or again.digest
        assert len(ids.render(name)) <= ids.LIMIT
    with documented():
        found = target.parse(said, "team")
        assert target.checked(found) == found
        shown(found.spoken())
        once = ids.parse(ids.render(found))
        assert once is not None
        assert once == found or once.digest == ids.identity_digest(
            found.kind, found.namespace, found.name, found.container
        )


def _request(data: bytes) -> None:
    given = pairs(data)
    name = ids.parse(given.get("interface", "")) or Name("pod", "shop", "web-1")
    with documented():
        made = request.to_request(name, given, given.get("capture-filter", ""))
        assert len(made.filter.encode()) <= request.FILTER_LIMIT
        assert made.limits.rate == 0 or made.limits.rate >= request.RATE_LEAST
        assert made.limits.seconds >= 0
        for word in (made.container, made.interface, made.upload_folder, made.tcpdump, made.comment, made.helper.image):
            assert word.isprintable()
        target.checked(made.target)
    with documented():
        request.connection_of(given)
    with documented():
        request.log_of(given)


def _units(data: bytes) -> None:
    said = text(data)
    for read_one, least in ((units.size, 0), (units.seconds, 0.0)):
        with documented():
            value = read_one("--option", said)
            assert least <= value < 1e40
    with documented():
        assert 3 <= units.whole("--option", said, 3, 70) <= 70
    quantity = bytes_of(said)
    assert quantity is None or isinstance(quantity, int)


def _filter(data: bytes) -> None:
    answer = check(text(data))
    assert answer.isprintable()
    assert len(answer) < 400


def _parent(data: bytes) -> None:
    line = words(data)[:-1]
    found = parent.read(line, lambda word: word in ("lo", "eth0", "-"))
    assert found.kind in ("", "gui", "tshark")
    assert found.dialog("4.4") in ("gui", "tshark")
    for name in found.named:
        assert ids.parse(name) is not None
        assert ids.render(ids.parse(name) or Name("")) == name
    if found.only:
        assert found.named or found.kind == "tshark"


def _sentences(data: bytes) -> None:
    """Whatever stands in them, the host reads what was meant: one sentence per line, each attribute whole."""
    said = text(data)
    answer = sentences.extcap() + sentences.interface("k8s-browse", said)
    rows = interfaces(answer.encode("utf-8", "replace"))
    assert [value for value, _ in rows] == ["k8s-browse"]
    assert len(rows[0][1].encode()) <= sentences.LIMIT
    first, _, second = said.partition("\n")
    option = options.BY_CALL["name"]
    pairs_ = [(first, second), (second, first), ("plain", said)]
    lines = config.values(option, pairs_, first, 2)
    lines.append(config.argument(options.BY_CALL["comment"], said, "gui"))
    found = read("\n".join(lines).encode("utf-8", "replace"))
    assert len(found) == len(lines)
    for sentence in found:
        assert all(value.isprintable() and not set("{}") & set(value) for value in sentence.attributes.values())
        assert len(sentence.attributes) >= 3


_CAPTURE = (
    b"--capture\0--extcap-interface\0k8s-pod-shop.web-1\0--fifo\0/tmp/wireshark_extcap_1\0--extcap-capture-filter\0"
    b"tcp port 80\0--nic\0eth0\0--limit-time=30s\0--promiscuous\0true\0--comment\0--dashes"
)
_VALUES = (
    b"filter=tcp port 80\nnic=eth0\nsnaplen=96\nbuffer=4 MiB\nlimit-packets=5\nlimit-bytes=1.5GiB\nlimit-time=1h30m\n"
    b"limit-rate=20 MB/s\nmethod=auto\nallow=ephemeral\nhelper-image=a/b:1\nhelper-labels=a=b,c=d\ntcpdump=/usr/bin/t\n"
    b"upload-folder=/tmp\nproxy=http://127.0.0.1:3128\ntimeout=10\nwait=30\noutput=pcap\ncomment=x\npromiscuous=true"
)
_PARENTS = (
    b"/usr/bin/tshark\0-i\0k8s-pod-shop.web-1\0-o\0extcap.k8s_pod_shop_web_1.limitpackets:5\0-w\0-\0",
    b"wireshark\0-k\0-i\0k8s-container-shop.web-1.app\0--interface=lo\0",
    b"/opt/wireshark/bin/Wireshark-4.6\0-Y\0tcp\0-oextcap.k8s_browse.x:y\0--\0-i\0",
)
_OPTION_WORDS = tuple(f"--{call}".encode() for call in sorted(CALLS))

PARSERS = (
    Parser("argv", _argv, (_CAPTURE, b"--extcap-interfaces\0--extcap-version=4.6"), (
        *_OPTION_WORDS, b"\0", b"--extcap-config", b"--refresh", b"--extcap-reload-option", b"k8s-browse", b"none")),
    Parser("names", _names, (
        b"k8s-pod-shop.web-1", b"k8s-container-prod-1a2b_shop.web-1.app", b"shop/web-1/app", b"deploy/shop/web",
        b"node/n1", b"k8s-pod-ns._0123456789abcdef", b"k8s-node-a.b.c", b"k8s-ns-team"),
        (b"k8s-", b"pod", b"container", b"._", b"_", b".", b"/", b"-", b"K8S-", b"svc", b"browse", b"\xc4\xb0")),
    Parser("request", _request, (_VALUES, b"interface=k8s-browse\nkind=pod\nname=web-1\nnamespace=shop"), (
        *(word[2:] + b"=" for word in _OPTION_WORDS), b"\n", b"1h", b"none", b"MiB", b"nsenter", b"everywhere")),
    Parser("units", _units, (b"500 kB", b"1.5GiB", b"20 MB/s", b"1h30m", b"500ms", b"90", b"64Mi", b"1e3"), (
        b".", b"k", b"Ki", b"/s", b"bytes", b"d", b"min", b"E")),
    Parser("filter", _filter, (
        b"tcp port 80 and (host 10.0.0.1 or ::1)", b"ether host aa:bb:cc:dd:ee:ff", b"ip[6:2] & 0x1fff = 0",
        b"vlan 100 and not (udp portrange 5000-6000)", b"\\tcp", b"$1f"),
        tuple(word.encode() for word in (*KEYWORDS, *OPERATORS, " ", "(", ")", "::", "0x", "1.2.3.4", "aa:")), 0.3),
    Parser("parent", _parent, _PARENTS, (
        b"\0", b"-i", b"-o", b"extcap.k8s_pod_", b"--interface", b"--source=", b"tshark", b"-D", b"k8s-pod-a.b",
        b"--")),
    Parser("sentences", _sentences, (b"web-1, shop, running, 10.0.0.1", b"a}{value=b}", b"x\ny"), (
        b"}{", b"}", b"{", b"{default=true}", b"\x0b", b"\xe2\x80\xa8", b"\x85", b"value {arg=1}")),
)  # fmt: skip
