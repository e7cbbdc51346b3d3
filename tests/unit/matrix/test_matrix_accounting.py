"""Which loss fails a cell, what the tables show, and the tools that weigh and cut."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.matrix import accounting, long
from testbed.matrix.results import Figure, Result
from testbed.matrix.weigh import fit, resident
from testbed.truth import forge, mark
from testbed.truth.account import Account, account
from testbed.truth.cutter import Cutter
from testbed.truth.files import Chunk
from testbed.truth.forge import Made

AT = ("abc1234", "2026-01-02T03:04:05Z", {"kubernetes": "1.36.3", "runtime": "containerd 1.6.20"})
OS_DROPPED = 7


def made(filed: int, *, dropped: int, sent: int = 100) -> Account:
    packets = [Made(forge.framed(1, forge.udp(mark.write(1, number, number, 64))), number) for number in range(filed)]
    return account([Chunk(forge.pcapng(packets) + forge.statistics({OS_DROPPED: dropped}))], {1: sent})


def run(filed: int, *, dropped: int, code: int = 0) -> accounting._Run:
    return accounting._Run(made(filed, dropped=dropped), 50.0, code, "")


@pytest.mark.parametrize(
    ("ours", "stock", "verdict"),
    [
        (run(100, dropped=0), None, "works"),
        (run(90, dropped=10), None, "failed"),  # ours promises none
        (run(90, dropped=10), run(100, dropped=0), "failed"),
        (run(90, dropped=10), run(99, dropped=1), "works"),  # stock kubectl loses too
        (run(90, dropped=9), run(50, dropped=50), "failed"),  # one is unaccounted for
        (run(100, dropped=0, code=5), None, "failed"),
    ],
)
def test_which_loss_fails_a_cell(ours: accounting._Run, stock: accounting._Run | None, verdict: str) -> None:
    assert accounting._verdict(ours, stock)[0] == verdict


def test_the_table_has_stock_kubectl_beside_the_resident_one() -> None:
    figures: dict[str, Figure] = {"machine_load": 0.5}
    figures |= {f"stock_{name}": value for name, value in accounting._figures(run(97, dropped=3)).items()}
    figures |= accounting._figures(run(100, dropped=0))
    what = {"node": "n1", "load": accounting.LOADS[0].name, "method": "resident"}
    page = accounting.page([Result("accounting", what, "works", "", 1.0, *AT, figures)])
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in page if line.startswith("| 20,000")]
    assert [row[2:7] for row in rows] == [
        ["*stock kubectl*", "100", "97", "3", "0"],
        ["resident", "100", "100", "0", "0"],
    ]
    assert rows[0][1] == "n1 (1.6.20)"


def test_pages_without_results_say_so() -> None:
    assert "not run (no result)" in accounting.page([])
    assert sum("not run (no result)" in line for line in long.page([])) == len(long.TITLES)


def test_a_line_is_found_through_noise() -> None:
    slope, start = fit([(x, 3 * x + 7 + (-1) ** x) for x in range(100)])
    assert abs(slope - 3) < 0.01
    assert abs(start - 7) < 0.5


def test_this_process_has_a_weight_and_a_dead_one_has_none() -> None:
    assert resident(os.getpid()) > 1_000_000
    assert resident(2**22 + 1) == 0


@contextmanager
def echo() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(("pause", "cuts"), [(0.3, 0), (30.0, 1)])
def test_the_cutter_cuts_what_is_idle_and_nothing_else(pause: float, cuts: int) -> None:
    with echo() as port, Cutter("127.0.0.1", port, 2.0) as cutter:
        with socket.create_connection(("127.0.0.1", cutter.port), timeout=20) as client:
            if cuts:
                client.settimeout(pause)
                assert client.recv(1) == b""
            else:
                for _ in range(10):
                    client.sendall(b"x")
                    assert client.recv(1) == b"x"
                    time.sleep(pause)
        assert cutter.cuts == cuts
