"""The binary for a processor, or a sentence that says why there is none."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from k8s_extcap.payload import Binary, Missing, arch_of_elf, arch_of_name, find, listed


def elf(machine: int, *, word: int = 2, order: int = 1, tail: bytes = b"program") -> bytes:
    sign = "<" if order == 1 else ">"
    return b"\x7fELF" + bytes([word, order]) + bytes(10) + struct.pack(sign + "HH", 2, machine) + tail


def entry(content: bytes, **changes: object) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    base = {"name": "tcpdump", "arch": "amd64", "file": "tcpdump-amd64", "version": "1", "licence": "BSD"}
    return {**base, "size": len(content), "sha256": digest, **changes}


def installed(folder: Path, *entries: dict[str, object], content: bytes) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"binaries": entries}))
    (folder / "tcpdump-amd64").write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["amd64", "x86_64", "x86_64\n"])
def test_a_label_and_uname_find_the_same_binary(tmp_path: Path, name: str) -> None:
    content = elf(62)
    found = find("tcpdump", name, installed(tmp_path, entry(content), content=content))
    assert found == Binary("tcpdump", "amd64", "1", hashlib.sha256(content).hexdigest(), len(content), "BSD", content)


def reason(found: Binary | Missing) -> str:
    assert isinstance(found, Missing)
    assert len(found.reason) < 400
    assert found.reason.endswith(".")
    return found.reason


def test_an_installation_without_payload_says_so(tmp_path: Path) -> None:
    said = reason(find("tcpdump", "amd64", tmp_path))
    assert "came without the programs" in said
    assert "python -m payload.build" in said
    assert listed(tmp_path) == ()


def test_a_processor_without_binary_names_those_that_have_one(tmp_path: Path) -> None:
    folder = installed(tmp_path, entry(elf(62)), content=elf(62))
    said = reason(find("tcpdump", "s390x", folder))
    assert "'s390x'" in said
    assert "(there is: amd64)" in said
    assert "--arch s390x" in said
    assert [row.arch for row in listed(folder)] == ["amd64"]


def test_an_unknown_processor_is_not_offered_to_be_built(tmp_path: Path) -> None:
    said = reason(find("tcpdump", "vax" * 30, installed(tmp_path, entry(elf(62)), content=elf(62))))
    assert "vax" in said
    assert "--arch" not in said


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (elf(62, tail=b"patched"), {"sha256": "0" * 64}, "is not the file that was built"),
        (elf(62), {"size": 5}, "is not the file that was built"),
        (elf(183), {}, "is no program for amd64"),
        (b"#!/bin/sh\n", {}, "is no program for amd64"),
        (elf(62), {"file": "gone"}, "cannot be read"),
    ],
)
def test_a_binary_that_is_not_what_was_built_is_never_given(
    tmp_path: Path, content: bytes, changes: dict[str, object], sentence: str
) -> None:
    folder = installed(tmp_path, entry(content, **changes), content=content)
    assert sentence in reason(find("tcpdump", "amd64", folder))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"binaries": [{"name": "tcpdump"}]}', '{"binaries": 7}'])
def test_a_damaged_manifest_is_an_answer_not_a_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert "is damaged" in reason(find("tcpdump", "amd64", tmp_path))


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("armv7l", "arm"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("aarch64_be", None),
        ("i686", None),
        ("", None),
    ],
)
def test_names_of_processors(name: str, arch: str | None) -> None:
    assert arch_of_name(name) == arch


@pytest.mark.parametrize(
    ("header", "arch"),
    [
        (elf(62), "amd64"),
        (elf(183), "arm64"),
        (elf(40, word=1), "arm"),
        (elf(22, order=2), "s390x"),
        (elf(21), "ppc64le"),
        (elf(21, order=2), None),  # big-endian POWER runs no ppc64le program
        (elf(62, word=1), None),  # x32
        (elf(62)[:19], None),
        (b"", None),
        (b"MZ" + bytes(30), None),
    ],
)
def test_the_header_of_a_program_says_its_processor(header: bytes, arch: str | None) -> None:
    assert arch_of_elf(header) == arch
