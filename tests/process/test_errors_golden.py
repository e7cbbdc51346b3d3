"""The golden sentences as a whole: each class of the tree is there, each sentence has its test, the page is theirs."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import k8s_extcap
from k8s_extcap.model import errors
from tests.golden.errors import golden

TESTS = Path(__file__).parents[1]


def leaves(cls: type[errors.ExtcapError]) -> set[type[errors.ExtcapError]]:
    below = cls.__subclasses__()
    return set().union(*(leaves(c) for c in below)) if below else {cls}


def test_every_class_was_provoked() -> None:
    for module in pkgutil.walk_packages(k8s_extcap.__path__, "k8s_extcap."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)  # a class may stand anywhere
    told = {entry.kind for entry in golden.entries().values()}
    assert told == {c.__name__ for c in leaves(errors.ExtcapError)}


def test_the_exit_codes_differ() -> None:
    codes = [c.exit_code for c in leaves(errors.ExtcapError)]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, 70, 126, 127, 130}  # success, anything, our own bug, shells, Ctrl+C


def test_every_sentence_is_provoked_by_a_test() -> None:
    files = [*TESTS.glob("process/test_errors*.py"), *TESTS.glob("cluster/test_errors*.py")]
    named = golden.keys_in(file for file in files if file.name != Path(__file__).name)
    assert set(golden.entries()) - named == set()


@pytest.mark.parametrize("key", sorted(golden.entries()))
def test_a_sentence_is_as_sentences_are(key: str) -> None:
    golden.proper(golden.entries()[key].text)


def test_the_page_is_rendered_from_them() -> None:
    if golden.UPDATE:
        golden.PAGE.write_text(golden.page())
    assert golden.PAGE.read_text() == golden.page(), "GOLDEN_UPDATE=1 renders it anew"
