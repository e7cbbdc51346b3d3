"""An ordinary user for programs that tests start as root, even where checkout and packages lie in root's own home."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

# Arguments: packages, checkout, where each is seen, uid, and the command. The mounts are this process's own.
_BECOME = """
mount --bind "$1" "$3" && mount --bind "$2" "$4" && cd "$4" || exit
packages=$3 user=$5
shift 5
exec setpriv --reuid="$user" --regid="$user" --clear-groups env PYTHONPATH="$packages" HOME=/ "$@"
"""


@contextmanager
def prefix(packages: Path, user: int = 1000) -> Iterator[list[str]]:
    """What to put before a command so that `user` runs it in the checkout with `packages` to import. Needs root."""
    with tempfile.TemporaryDirectory(prefix="k8s-extcap-ordinary-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        seen = [place / "packages", place / "checkout"]
        for path in seen:
            path.mkdir()
        private = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BECOME, "sh"]
        yield [*private, str(packages), str(CHECKOUT), *map(str, seen), str(user)]
