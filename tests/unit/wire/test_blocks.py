"""The blocks around the packets, read back by Wireshark's own capinfos and by python-pcapng."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pcapng
import pcapng.blocks
import pytest

from k8s_extcap.wire.blocks import Interface, Sums, interface, remarked, section, statistics

ONE = Interface("shop/web-1 eth0", "pod shop/web-1 on node n1", "tcp port 80 and host ä", 1, 262144, 6)


def test_all_that_was_said_is_read_back() -> None:
    data = section("k8s-extcap 1", "method upload\nsecond line") + interface(ONE)
    data += statistics(0, 1_700_000_000.25, 1_700_000_001.5, Sums(4, 7, 3, 1), digits=6, comment="a gap")
    shb, idb, isb = list(pcapng.FileScanner(io.BytesIO(data)))
    assert shb.options["opt_comment"] == "method upload\nsecond line"
    assert idb.options["if_name"] == ONE.name
    assert idb.options["if_filter"] == (0, ONE.filter.encode())
    assert (isb.options["isb_filteraccept"], isb.options["isb_osdrop"]) == (7, 3)
    assert (isb.options["isb_usrdeliv"], isb.options["isb_ifdrop"]) == (4, 1)
    assert isb.options["opt_comment"] == "a gap"
    # The draft's order: the high half first. The library reads one number, so the halves are taken apart here.
    start = struct.unpack("<II", struct.pack("<Q", isb.options["isb_starttime"]))
    assert (start[0] << 32) + start[1] == 1_700_000_000_250_000


def test_every_block_is_small_enough_for_wireshark_4_0() -> None:
    huge = Interface("n" * 300_000, "d" * 300_000, "f" * 300_000, 1, 262144, 6)
    assert len(section("a" * 300_000, "c" * 300_000)) < 262144
    assert len(interface(huge)) < 262144


def packet(data: bytes, interface: int = 0) -> bytes:
    padded = data + bytes(-len(data) & 3)
    total = 32 + len(padded)
    head = struct.pack("<IIIIIII", 6, total, interface, 0x60A24, 0x1B5D2000, len(data), len(data))
    return head + padded + struct.pack("<I", total)


@pytest.mark.parametrize("size", range(5))
@pytest.mark.parametrize("remark", ["g", "a gap of 3 s", "ä" * 5000])
def test_a_remark_stands_on_the_first_packet_alone(size: int, remark: str) -> None:
    packets = packet(b"abcd"[:size]) + packet(b"second")
    written = remarked(memoryview(packets), remark)
    _, _, first, second = list(pcapng.FileScanner(io.BytesIO(section("", "") + interface(ONE) + written)))
    assert (first.packet_data, second.packet_data) == (b"abcd"[:size], b"second")
    assert first.options["opt_comment"] == remark.encode()[:8000].decode()
    assert "opt_comment" not in second.options
    assert (first.timestamp_high, first.timestamp_low) == (second.timestamp_high, second.timestamp_low)


def test_only_a_packet_can_have_a_remark() -> None:
    with pytest.raises(ValueError, match="type 1"):
        remarked(interface(ONE), "no packet")


@pytest.mark.skipif(not shutil.which("capinfos"), reason="capinfos (Debian: wireshark-common or tshark) is not here")
def test_wireshark_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    tail = statistics(0, 1_700_000_000.0, 1_700_000_001.0, Sums(1), digits=6)
    file.write_bytes(section("k8s-extcap 1", "a comment") + interface(ONE) + packet(b"abcd") + tail)
    told = subprocess.run(["capinfos", str(file)], capture_output=True, text=True, check=True).stdout
    for words in ("shop/web-1 eth0", "a comment", "tcp port 80 and host", "Number of stat entries = 1", "k8s-extcap 1"):
        assert words in told
