"""Control groups of version 1 and 2, on folders that look like them (version 2 as its documentation describes it)."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cluster import cgroups
from testbed.cluster.errors import BedError
from testbed.cluster.journal import Journal


def v1(root: Path) -> None:
    for name in ("cpu", "cpuset", "memory", "unified"):
        (root / name).mkdir()
    (root / "cpu,cpuacct").symlink_to("cpu")
    (root / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (root / "cpuset" / "cpuset.mems").write_text("0\n")


def v2(root: Path, controllers: str, enabled: str = "") -> None:
    (root / "cgroup.controllers").write_text(controllers)
    (root / "cgroup.subtree_control").write_text(enabled)
    group = root / "kx-n1"
    (group / "system").mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    (group / "cgroup.subtree_control").write_text("")


def test_v1_has_one_folder_per_controller_and_links_count_once(tmp_path: Path) -> None:
    v1(tmp_path)
    assert not cgroups.is_v2(tmp_path)
    assert [p.name for p in cgroups.hierarchies(tmp_path)] == ["cpu", "cpuset", "memory", "unified"]


def test_v1_cpusets_are_filled_from_the_parent(tmp_path: Path) -> None:
    v1(tmp_path)
    journal = Journal(tmp_path / "journal")
    cgroups.make("kx-n1", journal, tmp_path)
    for folder in ("kx-n1", "kx-n1/system"):
        assert (tmp_path / "cpuset" / folder / "cpuset.cpus").read_text() == "0-1\n"
        assert (tmp_path / "cpuset" / folder / "cpuset.mems").read_text() == "0\n"
    assert [e.name for e in journal.entries()] == [
        str(tmp_path / name / "kx-n1") for name in ("cpu", "cpuset", "memory", "unified")
    ]
    assert len(cgroups.joins("kx-n1", tmp_path)) == 4


def test_v2_passes_controllers_down_and_notes_what_it_switched_on(tmp_path: Path) -> None:
    v2(tmp_path, "cpuset cpu io memory pids", "cpu memory")
    journal = Journal(tmp_path / "journal")
    cgroups.make("kx-n1", journal, tmp_path)
    settings = [(e.name, e.before) for e in journal.entries() if e.kind == "setting"]
    control = str(tmp_path / "cgroup.subtree_control")
    assert (control, "-pids") in settings
    assert (control, "-cpu") not in settings  # was on before: stays on
    assert cgroups.joins("kx-n1", tmp_path) == (tmp_path / "kx-n1" / "system" / "cgroup.procs",)


def test_v2_without_what_a_kubelet_needs_says_so(tmp_path: Path) -> None:
    v2(tmp_path, "cpu io")
    with pytest.raises(BedError, match="memory, pids cannot be passed down"):
        cgroups.make("kx-n1", Journal(tmp_path / "journal"), tmp_path)


def test_remove_takes_everything_below(tmp_path: Path) -> None:
    (tmp_path / "g" / "pod1" / "c").mkdir(parents=True)
    (tmp_path / "g" / "pod2").mkdir()
    cgroups.remove(tmp_path / "g")
    cgroups.remove(tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_remove_gives_up_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "busy").write_text("")  # a file keeps a folder, as a process keeps a group
    with pytest.raises(BedError, match="still has processes"):
        cgroups.remove(tmp_path / "g", within=0.1)
