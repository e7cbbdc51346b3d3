"""Filters of replay pods: our interpreter and libpcap's own must choose the same packets."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess

import pytest

from testbed.demo.replay import bpf, frames

TCPDUMP = shutil.which("tcpdump", path="/usr/bin:/usr/sbin")
PACKETS = [frame.data for frame in itertools.islice(frames.endless(), 600)]
FILTERS = (
    "tcp",
    "udp port 53",
    "ip6",
    "not ip",
    "port 8080 and host 10.88.0.12",
    "src net 10.88.0.0/28 or ip6",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "len > 100 and less 200",
    "ip[2:2] > 60 and tcp[((tcp[12]&0xf0)>>2):4] = 0x47455420",
    "ether host 02:42:0a:58:00:0f",
    "ip6 and tcp portrange 8000-9000",
    "vlan or mpls",
)


def _chosen_by_tcpdump(expression: str) -> list[bytes]:
    assert TCPDUMP is not None
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    records = b"".join(struct.pack("<IIII", 0, 0, len(p), len(p)) + p for p in PACKETS)
    done = subprocess.run(
        [TCPDUMP, "-r", "-", "-w", "-", expression], input=header + records, capture_output=True, check=True
    )
    at, found = 24, []
    while at < len(done.stdout):
        size = struct.unpack_from("<I", done.stdout, at + 8)[0]
        found.append(done.stdout[at + 16 : at + 16 + size])
        at += 16 + size
    return found


@pytest.mark.skipif(TCPDUMP is None, reason="no tcpdump on this machine")
@pytest.mark.parametrize("expression", FILTERS)
def test_same_choice_as_libpcap(expression: str) -> None:
    assert TCPDUMP is not None
    program = bpf.compile_filter(TCPDUMP, expression)
    assert [packet for packet in PACKETS if bpf.accepts(program, packet)] == _chosen_by_tcpdump(expression)


@pytest.mark.skipif(TCPDUMP is None, reason="no tcpdump on this machine")
def test_a_wrong_filter_is_refused_in_tcpdumps_words() -> None:
    assert TCPDUMP is not None
    with pytest.raises(ValueError, match="syntax error"):
        bpf.compile_filter(TCPDUMP, "udp prt 53")
