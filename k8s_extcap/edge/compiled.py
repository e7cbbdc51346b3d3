"""Where compiled modules are kept when the package's own folder may not be written: without them each answer that
Wireshark waits for compiles our modules again, which doubles its cost.
"""

from __future__ import annotations

import os
import sys

from k8s_extcap.edge import folders


def choose(package: str) -> None:
    """Called where the package has no compiled modules for this Python: the first run, or every run of somebody who
    may not write there.
    """
    if os.access(package, os.W_OK) and not os.path.exists(package + "/__pycache__"):  # noqa: PTH110 (no pathlib here)
        return
    if os.path.isdir(package + "/__pycache__") and os.access(package + "/__pycache__", os.W_OK):  # noqa: PTH112
        return
    sys.pycache_prefix = folders.cache() + "/compiled"
