"""The product as a tree of its own, unchanged or with one thing changed: no test hook is needed in what ships, and
nobody's editing disturbs a run of an hour.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from testbed.matrix.results import ROOT

Changes = Mapping[str, tuple[tuple[str, str], ...]]

#: Ephemeral containers wait this long for another capture; measured in minutes, which no matrix can wait for.
IDLE = 45
QUICK: Changes = {"methods/beside.py": (("IDLE = 300", f"IDLE = {IDLE}"),)}

_UNWOUND = """        if self._journal is None:
            return []
"""
_NOT_UNWOUND = """        if self._journal:
            self._journal.close()
        if self._reaper:
            self._reaper.release(finished=True)
        return []
"""
_DEAD_REAPER = ("    lock = hold(path)\n", "    os._exit(0)\n    lock = hold(path)\n")

#: Each of the inner rings switched off. What they leave must be found by the search, or the search is worthless.
MUTANTS: Mapping[str, Changes] = {
    "unwind off": {"run/executor.py": ((_UNWOUND, _NOT_UNWOUND),)},
    "reaper off": {"run/reaper.py": (_DEAD_REAPER,)},
    "guard off": {
        "methods/guard.py": (
            (
                "finish() { [ $due = 0 ] || return 0; due=$((silent+$1)); kill -INT $pid 2>/dev/null; }",
                "finish() { :; }",
            ),
        )
    },
    # The outermost, so the one before it is off too.
    "eviction off": {
        "run/reaper.py": (_DEAD_REAPER,),
        "methods/copy.py": (("IDLE = 30 ", "IDLE = 0 "),),
        "methods/beside.py": (("until dd if=/dev/urandom", "until true if=/dev/urandom"),),
    },
}


def plant(folder: Path, changes: Changes | None = None) -> Path:
    """The product below `folder`, to be run from there. ValueError where a change does not meet its text once."""
    package = folder / "k8s_extcap"
    ignore = shutil.ignore_patterns("__pycache__", "bin")
    shutil.copytree(ROOT / "k8s_extcap", package, ignore=ignore)
    (package / "payload/bin").symlink_to(ROOT / "k8s_extcap/payload/bin")
    for name, pairs in (changes or {}).items():
        file = package / name
        text = file.read_text(encoding="utf-8")
        for old, new in pairs:
            if text.count(old) != 1:
                raise ValueError(f"{name} has {text.count(old)} times what the mutant replaces: {old[:60]!r}")
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    return folder
