"""What comes from a pod beside its packets: words on stderr, answers to the look, the status of an exec."""

from __future__ import annotations

from k8s_extcap.methods import guard, hearing, lookup, memory, nics, probe, tcpdump
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.wire import channels
from k8s_extcap.wire.channels import Channels, parse_exit
from tests.fuzz.engine import Parser
from tests.fuzz.laws import documented, shown

REQUEST = CaptureRequest(Name("pod", "shop", "web-1"), filter="tcp port 80")


def _status(data: bytes) -> None:
    told = parse_exit(data)
    assert told.code is None or abs(told.code) < 10**10
    assert isinstance(told.reason, str)
    assert isinstance(told.message, str)


def _channels(data: bytes) -> None:
    """The first byte says how many cuts follow; what is cut off is a frame, of a new message or a continued one."""
    for protocol in (channels.V5, channels.V4, ""):
        machine = Channels(protocol)
        taken = 0
        rest = memoryview(data)
        while rest:
            size, continued = rest[0] >> 1, bool(rest[0] & 1)
            frame, rest = rest[1 : 1 + size], rest[1 + size :]
            channel, payload = machine.receive(frame, continued)
            assert 0 <= channel <= 255
            assert len(payload) <= len(frame)
            taken += len(payload)
        assert taken <= len(data)
        assert machine.exit is None or isinstance(machine.exit, channels.Exit)
        assert machine.close_stdin() in (None, b"\xff\x00")


def _probe(data: bytes) -> None:
    said = data.decode(errors="replace")
    facts = probe.parse("app", said)
    assert len(facts.places) <= probe.PLACES
    for word in (facts.machine, facts.tcpdump, *facts.nics, *(p.path for p in facts.places)):
        assert word.isascii()
        assert word.isprintable()
        assert len(word) <= 201
    for number in (facts.uid, facts.cap_eff, facts.memory_limit, facts.memory_used, facts.cpu_millis):
        assert number is None or 0 <= number < 1 << 80
    for one in probe.nics(said):
        assert 0 < len(one.name) <= 15
    for wanted in (0, 64, 1 << 20):
        room = memory.ring(facts, upload=1 << 21, wanted=wanted)
        assert 0 <= room.kib <= 1 << 20
        assert room.sentence.isprintable()
    nics.choose(REQUEST, facts.nics, host_network=False)


def _words(data: bytes) -> None:
    """tcpdump's own words: counts, and why it ended."""
    numbers = tcpdump.Statistics()
    for line in data.decode(errors="replace").split("\n"):
        if tcpdump.count(line, numbers):
            told = [numbers.captured, numbers.received, numbers.dropped, numbers.if_dropped]
            assert all(n is None or 0 <= n < 10**18 for n in told)
        tcpdump.noise(line)
        for code in (0, 1, 127, 137, None):
            error = tcpdump.failure(line, code, "container app of pod shop/web-1", REQUEST)
            assert isinstance(error, ExtcapError)
            shown(error.sentence)


def _stderr(data: bytes) -> None:
    """The first byte is how many bytes come at a time. Any cutting gives the same lines, all of a bounded length."""
    size = (data[0] if data else 0) + 1
    whole, cut = hearing.Lines(), hearing.Lines()
    expected = [*whole.feed(data[1:]), *whole.end()]
    found = [line for at in range(1, len(data), size) for line in cut.feed(data[at : at + size])] + cut.end()
    assert found == expected
    assert whole.heard == cut.heard == max(0, len(data) - 1)
    for line in found:
        assert len(line) <= hearing.LINE
        assert "\n" not in line
        word = hearing.word(line)
        assert (word is not None) == line.startswith(guard.MARK)
        if word is not None:
            assert word.kind in ("", "need", "bad", "ready", "rc")
            assert 0 <= word.code <= 999


def _lookup(data: bytes) -> None:
    uid, _, own = data.decode(errors="replace").partition("\n")
    with documented():
        for word in lookup.ids(uid, {"kubernetes.io/config.hash": own}).split(" "):
            assert word.replace("-", "").replace("_", "").isalnum()
            assert word.isascii()
            assert word != lookup.NODE
    with documented():
        assert not set(lookup.addresses(own.split())) - set("0123456789abcdef:. ")
    assert not set(lookup.container(uid)) & set(" *?[$`\n")
    argv = guard.wrap(("tcpdump", uid), tail=own)
    assert argv[-1] == uid
    assert argv[2] == guard.wrap((), tail=own)[2]  # no word of anybody's is in the text


_EXITED = (
    b'{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 7",'
    b'"reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}'
)
_ANSWER = (
    b"nic=0x1003 eth0\nnic=0x9 lo\nroute=eth0\nuid=1000\ncap_eff=00000000a80425fb\nmachine=x86_64\n"
    b"tool=dd\ntool=rm\ntcpdump=/usr/bin/tcpdump\ntcpdump_version=tcpdump version 4.99.3\ntcpdump_may=1\n"
    b"memory_max=33554432\nmemory_used=2000000\nmemory_cache=100\ncpu_max=5000 100000\nplace=tmpfs 64 /dev\nend=1\n"
)
_SAID = (
    b"tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n12 packets captured\n"
    b"15 packets received by filter\n3 packets dropped by kernel\n1 packet dropped by interface\n"
    b"tcpdump: eth0: You don't have permission to perform this capture on that device\ntcpdump: syntax error\n"
    b"helper: no process on this node belongs to the pod\nnsx: not found\ntcpdump: eth7: No such device exists\n"
    b"tcpdump: Couldn't find user 'tcpdump'"
)

PARSERS = (
    Parser("status", _status, (b'{"metadata":{},"status":"Success"}', _EXITED), (
        b'"code":', b'"causes":', b"null", b'{"reason":"ExitCode","message":"', b'"details":', b"\xff", b"1e400")),
    Parser("channels", _channels, (b"\x02\x01\x10\x01abcdefg\x0f\x02hijkl", b"\x86\x03" + _EXITED[:66],
        b"\x04\xff\x00"), (
        b"\x03", b"\xff\x00", b"\x01", b"\x00", b"\xfe", b"\xff")),
    Parser("probe", _probe, (_ANSWER,), (
        b"\n", b"nic=", b"place=", b"tcpdump=", b"memory_max=max", b"cpu_quota=-1", b"route=", b"cap_eff=", b" ")),
    Parser("tcpdump", _words, (_SAID,), (
        b"packets captured", b" packets dropped by kernel", b"helper: ", b"nsx: ", b"syntax error", b"No such device",
        b"not found", b"Couldn't change to", b"1", b"\n"), 0.3),
    Parser("stderr", _stderr, (
        b"\x05k8s-extcap: need /tmp/k8s-extcap-0-tcpdump\nk8s-extcap: ready\n12 packets captured\nk8s-extcap: rc=0\n",
        b"\xffk8s-extcap: bad x\r\nk8s-extcap: rc=\xc2\xb2\nk8s-extcap: rc=-1\n" + b"x" * 5000),
        (guard.MARK.encode(), b"need ", b"need -", b"ready", b"rc=", b"bad ", b"\n"), 0.5),
    Parser("lookup", _lookup, (b"0a1b2c3d-0000-1111-2222-333344445555\n", b"uid\ndeadbeef10.0.0.1 fd00::7"),
        (b"-", b"_", b"\n", b" -n")),
)  # fmt: skip
