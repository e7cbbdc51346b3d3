"""An account balances only if every packet is in the file or reported, and the file and the last line agree."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest

from testbed.truth import account, forge, mark, whole
from testbed.truth.files import Chunk
from testbed.truth.forge import Made

NOW = 1_700_000_000_000_000_000
ACCEPTED, OS_DROPPED, IF_DROPPED, DELIVERED = 6, 7, 5, 8


def messages(numbers: range) -> list[Made]:
    every = ((NOW + number, mark.write(1, number, NOW + number, 64)) for number in numbers)
    return [Made(forge.framed(1, forge.udp(message)), at) for at, message in every]


def file(count: int, *, order: Literal["little", "big"] = "little", comment: str = "", **told: int) -> bytes:
    codes = {"accepted": ACCEPTED, "os": OS_DROPPED, "nic": IF_DROPPED, "delivered": DELIVERED}
    counts = {codes[name]: number for name, number in told.items()}
    return forge.pcapng(messages(range(count)), order=order) + forge.statistics(counts, order=order, comment=comment)


def judged(data: bytes, sent: int, said: str = "") -> account.Account:
    return account.account([Chunk(data)], {1: sent}, said)


@pytest.mark.parametrize("order", ["little", "big"])
def test_it_balances_where_what_is_missing_is_reported(order: Literal["little", "big"]) -> None:
    found = judged(file(90, order=order, os=7, nic=3, delivered=90), 100, "90 packets, 9 kB in 1 s, 10 lost in the pod")
    assert (found.kernel, found.interface, found.unaccounted, found.faults) == (7, 3, 0, [])


@pytest.mark.parametrize(
    ("data", "said", "fault"),
    [
        (file(90, os=7), "", "3 unaccounted"),
        (file(90, os=12), "", "-2 unaccounted"),
        (forge.pcapng(messages(range(100))), "", "no statistics"),
        (file(90, os=10, delivered=91), "", "says 91 packets delivered, and has 90"),
        (file(90, os=10), "91 packets, 9 kB in 1 s, 10 lost", "the last line says 91 packets, the file has 90"),
        (file(90, os=10), "90 packets, 9 kB in 1 s, 9 lost", "the last line says 9 lost, the file 10"),
        (file(100, os=0)[:-4], "", "ends inside a record"),
        (file(100, os=0) + file(3, os=0), "", "3 duplicate"),
    ],
)
def test_each_way_to_be_wrong_is_told(data: bytes, said: str, fault: str) -> None:
    assert fault in "; ".join(judged(data, 100, said).faults)


def test_a_gap_that_the_file_tells_of_is_no_fault_and_stays_visible() -> None:
    found = judged(file(90, os=4, comment="interrupted for 3 s"), 100)
    assert (found.unaccounted, found.gaps, found.faults) == (6, ("interrupted for 3 s",), [])


def test_what_the_capture_itself_left_out_counts_when_the_file_says_so() -> None:
    said = "interrupted for 3 s\n6 packets came and were not written: nobody read the capture for 60 s."
    found = judged(file(90, os=4, comment=said), 100, "90 packets, 9 kB in 1 s, 100 seen, 10 lost")
    assert (found.ours, found.unaccounted, found.gaps, found.faults) == (6, 0, ("interrupted for 3 s",), [])


def test_the_last_statistics_of_an_interface_count() -> None:
    data = file(50, os=3) + forge.statistics({OS_DROPPED: 5})
    assert judged(data, 55).faults == []


def test_a_second_section_has_interfaces_of_its_own() -> None:
    first = forge.pcapng(messages(range(40))) + forge.statistics({OS_DROPPED: 2})
    second = forge.pcapng(messages(range(42, 50))) + forge.statistics({OS_DROPPED: 1})
    assert judged(first + second, 51).faults == []


@pytest.mark.parametrize("made", [file(9, os=0), forge.pcap(messages(range(9))), forge.pcap([], order="big")])
def test_a_file_is_whole_at_its_blocks_borders_only(tmp_path: Path, made: bytes) -> None:
    path = tmp_path / "capture"
    path.write_bytes(made)
    assert whole.ends_whole(path)
    for cut in (1, 4, 15, len(made) // 2 + 1):
        path.write_bytes(made[:-cut])
        assert "ends at byte" in whole.fault(path, tshark=None)


@pytest.mark.tshark
def test_what_tshark_says_of_a_file_is_its_fault(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("no tshark on this machine")
    path = tmp_path / "capture"
    # The borders are right, the packet within claims more bytes than its block has.
    broken = forge.pcapng(messages(range(1)))
    path.write_bytes(broken[:-4].replace((106).to_bytes(4, "little"), (900).to_bytes(4, "little")) + broken[-4:])
    assert whole.fault(path, tshark=None) == ""
    assert "tshark ends with" in whole.fault(path)
