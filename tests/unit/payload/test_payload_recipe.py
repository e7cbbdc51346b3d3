"""The recipe refuses sources that it was not written for."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from payload import patch, sources
from payload.compile import BuildError, compile_into
from payload.patch import EDITS, SourceDiffersError, edited
from payload.targets import SHIPPED, TARGETS, target


def test_each_edit_is_made_where_its_place_is_unique() -> None:
    text = "\n".join(edit.old for edit in EDITS)
    for edit in EDITS:
        assert text.count(edit.old) == 1
        assert edit.new not in text or not edit.new
    done = edited(text)
    assert all(edit.new in done for edit in EDITS)


@pytest.mark.parametrize("index", range(len(EDITS)))
def test_a_source_without_or_with_two_of_a_place_is_refused(index: int) -> None:
    text = "\n".join(edit.old for edit in EDITS)
    for spoilt in (text.replace(EDITS[index].old, ""), text + EDITS[index].old):
        with pytest.raises(SourceDiffersError, match="places like"):
            edited(spoilt)


def test_a_source_with_another_digest_is_not_used(tmp_path: Path) -> None:
    source = sources.Source("thing", "1", "0" * 64, "pool", f"file://{tmp_path}/upstream")
    (tmp_path / "mirror" / "pool").mkdir(parents=True)
    (tmp_path / "mirror" / "pool" / source.file).write_bytes(b"something else")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / source.file).write_bytes(b"an old download")
    with pytest.raises(sources.SourceMissingError, match=r"could not be fetched from any of 2 places"):
        sources.fetch(source, tmp_path / "cache", [f"file://{tmp_path}/mirror"])


def test_a_mirror_with_the_right_file_is_enough(tmp_path: Path) -> None:
    places = [f"file://{tmp_path}/empty", f"file://{tmp_path}/mirror"]
    pool = tmp_path / "mirror" / "pool"
    pool.mkdir(parents=True)
    tree = tmp_path / "thing-1"
    tree.mkdir()
    (tree / "file").write_text("content")
    with tarfile.open(pool / "thing_1.orig.tar.xz", "w:xz") as archive:
        archive.add(tree, "thing-1")
    digest = hashlib.sha256((pool / "thing_1.orig.tar.xz").read_bytes()).hexdigest()
    source = sources.Source("thing", "1", digest, "pool", f"file://{tmp_path}/upstream")
    sources.unpack(sources.fetch(source, tmp_path / "cache", places), tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "content"


def test_missing_tools_are_named_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"make, flex, bison not found: `apt-get install make flex bison`"):
        compile_into(tmp_path, target("amd64"), tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_mirrors_end_with_one_that_every_machine_can_use() -> None:
    found = list(sources.mirrors())
    assert sources.DEBIAN in found
    assert len(found) == len(set(found))


def test_the_table_of_processors_has_no_twins() -> None:
    for field in ("arch", "triple", "machine", "qemu"):
        values = [getattr(row, field) for row in TARGETS]
        assert len(values) == len(set(values))
    assert [target(arch).arch for arch in SHIPPED] == ["amd64", "arm64"]


def test_our_version_is_told_from_a_distributions() -> None:
    assert any(patch.SUFFIX in edit.new for edit in EDITS)
