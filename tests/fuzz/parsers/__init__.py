"""Every parser of what comes from outside, with its laws. `PARSERS` is the list."""

from __future__ import annotations

import logging
import os

from tests.fuzz.engine import Parser
from tests.fuzz.parsers import cluster, far, files, host, stream

PARSERS: tuple[Parser, ...] = (*host.PARSERS, *far.PARSERS, *stream.PARSERS, *files.PARSERS, *cluster.PARSERS)


def prepare(home: str) -> None:
    """Our files lie in this folder from now on, and nothing is logged: what is tested is not the log."""
    os.environ["K8S_EXTCAP_HOME"] = home
    os.environ["HOME"] = home
    os.environ.pop("KUBECONFIG", None)
    logging.disable()
