"""The oracle of the filter box's colour: the real libpcap, through tcpdump -d."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("filters", TESTS / "fuzz/filters.py")
assert _spec
assert _spec.loader
filters = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(filters)

pytestmark = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")


def test_libpcap_accepts_every_golden_filter(tmp_path: Path) -> None:
    golden = (TESTS / "golden/options/filters.txt").read_text().splitlines()
    assert [text for text in golden if not filters.accepted(text, tmp_path)] == []


def test_libpcap_refuses_every_wrong_one(tmp_path: Path) -> None:
    wrong = (TESTS / "golden/options/wrong-filters.txt").read_text().splitlines()
    assert [line for line in wrong if filters.accepted(line.partition("\t")[2], tmp_path)] == []
