"""Installing into real folders, and the launcher run as a desktop runs it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_extcap.model.errors import ConfigError
from k8s_extcap.setup import install, places
from k8s_extcap.setup.plan import Folder, Remove, Write, apply

NEWER, OLDER = ".local/lib/wireshark/extcap/k8s-extcap", ".config/wireshark/extcap/k8s-extcap"


def command(home: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "K8S_", "KUBE", "SUDO"))}
    code = "import sys; from k8s_extcap.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        env={**kept, "HOME": str(home), **environment}, capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(install.entry()).parents[1],
    )  # fmt: skip


def listed(launcher: Path, home: Path) -> str:
    """What a desktop session gets from it."""
    done = subprocess.run(
        ["env", "-i", f"HOME={home}", "DISPLAY=:0", launcher, "--extcap-interfaces", "--extcap-version=4.0"],
        capture_output=True, text=True, timeout=60, check=False, cwd="/",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_both_personal_folders_get_a_launcher_that_answers(tmp_path: Path) -> None:
    done = command(tmp_path, "install")
    assert done.returncode == 0, done.stderr
    for name in (NEWER, OLDER):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == install.PRIVATE
        assert f"write {tmp_path / name}" in done.stdout
        assert "interface {value=k8s-browse}" in listed(tmp_path / name, tmp_path)


def test_a_second_time_replaces(tmp_path: Path) -> None:
    assert command(tmp_path, "install").returncode == 0
    done = command(tmp_path, "install", HTTPS_PROXY="http://proxy:3128")
    assert done.returncode == 0
    assert f"replace {tmp_path / NEWER}" in done.stdout
    assert "proxy:3128" in (tmp_path / NEWER).read_text()


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    done = command(tmp_path, "install", "--dry-run")
    assert done.returncode == 0
    assert str(tmp_path / NEWER) in done.stdout
    assert not (tmp_path / ".config").exists()
    assert not (tmp_path / ".local/lib").exists()


def test_the_configuration_folder_of_the_desktop_counts(tmp_path: Path) -> None:
    assert command(tmp_path, "install", XDG_CONFIG_HOME=str(tmp_path / "elsewhere")).returncode == 0
    assert (tmp_path / "elsewhere/wireshark/extcap/k8s-extcap").exists()


def test_where_asked_and_nowhere_else(tmp_path: Path) -> None:
    place = tmp_path / "it's here/extcap"
    done = command(tmp_path, "install", "--folder", str(place), HTTPS_PROXY="http://me:secret@proxy:3128")
    assert done.returncode == 0, done.stderr
    launcher = place / "k8s-extcap"
    assert stat.S_IMODE(launcher.stat().st_mode) == 0o755
    assert "secret" not in launcher.read_text(), "others may read this one"
    assert not (tmp_path / NEWER).exists()


def test_what_the_shell_knew_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    done = command(
        tmp_path, "install", KUBECONFIG="mine.yaml:/etc/theirs.yaml", NO_PROXY="10.0.0.0/8",
        PATH=f"{tmp_path / 'plugins'}:{os.environ['PATH']}",
    )  # fmt: skip
    assert done.returncode == 0
    text = (tmp_path / NEWER).read_text()
    assert str(tmp_path / "plugins") in text
    assert "10.0.0.0/8" in text
    assert "=mine.yaml" not in text
    assert f"{Path(install.entry()).parents[1]}/mine.yaml:/etc/theirs.yaml" in text, "Wireshark stands elsewhere"


def test_a_foreign_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / NEWER).parent.mkdir(parents=True)
    (tmp_path / NEWER).write_text("#!/bin/sh\n")
    done = command(tmp_path, "install")
    assert done.returncode == ConfigError.exit_code
    assert "none of ours" in done.stderr
    assert (tmp_path / NEWER).read_text() == "#!/bin/sh\n"
    assert not (tmp_path / OLDER).exists()
    assert command(tmp_path, "uninstall").returncode == 0
    assert (tmp_path / NEWER).exists()


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/version").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_made_is_a_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("in the way")
    done = command(tmp_path, "install")
    assert done.returncode == ConfigError.exit_code
    assert "Nothing was changed" in done.stderr
    assert not (tmp_path / ".local/lib").exists()


def test_uninstall_takes_ours_and_only_with_everything_what_is_remembered(tmp_path: Path) -> None:
    assert command(tmp_path, "install").returncode == 0
    state = tmp_path / ".local/state/k8s-extcap"
    (state / "journals").mkdir(parents=True)
    (state / "options").write_text("k8s-extcap options 1\n")
    assert command(tmp_path, "uninstall").returncode == 0
    assert not (tmp_path / NEWER).exists()
    assert not (tmp_path / OLDER).exists()
    assert (state / "options").exists()
    assert command(tmp_path, "uninstall", "--everything").returncode == 0
    assert not (state / "options").exists()
    assert (state / "journals").exists(), "what is still to be cleaned up in a cluster"


def test_a_launcher_whose_python_is_gone_is_found_out(tmp_path: Path) -> None:
    (operation,) = (o for o in install.plan((tmp_path,), {}, python="/nowhere/python") if isinstance(o, Write))
    apply((operation,))
    assert "run: k8s-extcap install" in install.verify(operation.path).problem
    operation.path.write_text("#!/bin/sh\nexit 3\n")
    assert "ended with 3" in install.verify(operation.path).problem
    operation.path.unlink()
    assert "cannot be run" in install.verify(operation.path).problem


def test_a_plan_that_fails_halfway_is_undone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("before")
    kept.chmod(0o640)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Nothing was changed"):
        apply((
            Folder(tmp_path / "new/deep"),
            Write(tmp_path / "new/deep/a", b"x"),
            Write(kept, b"after", 0o600),
            Remove(tmp_path / "file"),
            Folder(kept / "impossible"),
        ))  # fmt: skip
    assert not (tmp_path / "new").exists()
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == ("before", 0o640)
    assert (tmp_path / "file").exists()


def test_a_plan_can_be_undone_later(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/elsewhere")
    undo = apply(
        (Write(link, b"x"), Write(tmp_path / "a/b", b"") if (tmp_path / "a").exists() else Folder(tmp_path / "a"))
    )
    assert not link.is_symlink()
    undo()
    assert link.readlink() == Path("/elsewhere")
    assert not (tmp_path / "a").exists()


def test_where_wireshark_looks(tmp_path: Path) -> None:
    assert places.personal({"HOME": "/h"}) == (
        Path("/h/.local/lib/wireshark/extcap"),
        Path("/h/.config/wireshark/extcap"),
    )
