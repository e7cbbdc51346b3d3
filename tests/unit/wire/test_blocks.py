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

from k8s_extcap.wire.blocks import Interface, interface, section, statistics

ONE = Interface("shop/web-1 eth0", "pod shop/web-1 on node n1", "tcp port 80 and host ä", 1, 262144, 6)


def test_all_that_was_said_is_read_back() -> None:
    data = section("k8s-extcap 1", "method upload\nsecond line") + interface(ONE)
    data += statistics(0, 1_700_000_000.25, 1_700_000_001.5, received=7, dropped=3, digits=6)
    shb, idb, isb = list(pcapng.FileScanner(io.BytesIO(data)))
    assert shb.options["opt_comment"] == "method upload\nsecond line"
    assert idb.options["if_name"] == ONE.name
    assert idb.options["if_filter"] == (0, ONE.filter.encode())
    assert (isb.options["isb_filteraccept"], isb.options["isb_osdrop"]) == (7, 3)
    # The draft's order: the high half first. The library reads one number, so the halves are taken apart here.
    start = struct.unpack("<II", struct.pack("<Q", isb.options["isb_starttime"]))
    assert (start[0] << 32) + start[1] == 1_700_000_000_250_000


def test_every_block_is_small_enough_for_wireshark_4_0() -> None:
    huge = Interface("n" * 300_000, "d" * 300_000, "f" * 300_000, 1, 262144, 6)
    assert len(section("a" * 300_000, "c" * 300_000)) < 262144
    assert len(interface(huge)) < 262144


@pytest.mark.skipif(not shutil.which("capinfos"), reason="capinfos (Debian: wireshark-common or tshark) is not here")
def test_wireshark_reads_it(tmp_path: Path) -> None:
    packet = struct.pack("<IIIIIII", 6, 36, 0, 0x60A24, 0x1B5D2000, 4, 4) + b"abcd" + struct.pack("<I", 36)
    file = tmp_path / "x.pcapng"
    tail = statistics(0, 1_700_000_000.0, 1_700_000_001.0, received=None, dropped=None, digits=6)
    file.write_bytes(section("k8s-extcap 1", "a comment") + interface(ONE) + packet + tail)
    told = subprocess.run(["capinfos", str(file)], capture_output=True, text=True, check=True).stdout
    for words in ("shop/web-1 eth0", "a comment", "tcp port 80 and host", "Number of stat entries = 1", "k8s-extcap 1"):
        assert words in told
