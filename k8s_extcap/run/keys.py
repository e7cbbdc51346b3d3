"""Whose are the folders in which decoded keys lie for an instant, where a system cannot hold them in memory
(`kube.material`), and removing those of processes that were killed in that instant.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from urllib.parse import quote, unquote

from k8s_extcap.edge import folders
from k8s_extcap.run import owner

_log = logging.getLogger(__name__)


def folder() -> str:
    return folders.state() + "/keys"


def own() -> str:
    """How the names of this process's folders begin; behind a dot follows what makes each of them unique."""
    return f"{folder()}/{quote(owner.me(), safe='')}"


def forget(made_by: str) -> None:
    """Removes what the process that was `made_by` left; it is known to be gone."""
    for path in _rest():
        if _owner(path) == made_by:
            _remove(path)


def sweep() -> None:
    """Removes what dead processes of this user on this machine left. Costs a look at a folder that is nearly always
    missing.
    """
    for path in _rest():
        made_by = _owner(path)
        if owner.is_ours(made_by) and not owner.alive(made_by):
            _remove(path)


def _rest() -> list[Path]:
    try:
        return sorted(Path(folder()).iterdir())
    except OSError:
        return []


def _owner(path: Path) -> str:
    return unquote(path.name.rpartition(".")[0])


def _remove(path: Path) -> None:
    """A link is not followed: `rmtree` refuses it."""
    shutil.rmtree(path, ignore_errors=True)
    _log.info("removed the keys of a killed process%s", "" if not path.exists() else ", in vain")
