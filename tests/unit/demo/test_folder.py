"""What a killed run leaves is removed by the next, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from testbed.demo import folder


def test_only_what_nobody_holds_and_is_not_young(tmp_path: Path) -> None:
    dead, young, other = (tmp_path / name for name in (f"{folder.PREFIX}dead", f"{folder.PREFIX}young", "other"))
    for path in (dead, young, other):
        (path / "inside").mkdir(parents=True)
    long_ago = time.time() - 3600
    os.utime(dead, (long_ago, long_ago))
    (tmp_path / f"{folder.PREFIX}link").symlink_to(other)
    assert folder.remove_leftovers(tmp_path) == [dead]
    assert (young.exists(), other.exists(), dead.exists()) == (True, True, False)


def test_a_run_that_is_killed_leaves_its_folder_to_the_next(tmp_path: Path) -> None:
    script = (
        "from testbed.demo.folder import own_folder\n"
        "with own_folder() as f: (f / 'kubeconfig').touch(); print(f, flush=True); input()\n"
    )
    source = Path(__file__).resolve().parents[3]
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(source)}
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as run:
        assert run.stdout is not None
        kept = Path(run.stdout.readline().strip())
        assert folder.remove_leftovers(tmp_path, young=0) == []
        run.kill()
    assert (kept / "kubeconfig").exists()
    assert folder.remove_leftovers(tmp_path, young=0) == [kept]
