"""The log: a file of ours, never stderr, because any text there becomes an error dialog. Nothing logs a token."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler

from k8s_extcap.edge import folders

SIZE = 1 << 20  # bytes of one file; one older one is kept
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class _Private(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(fd, "a", encoding="utf-8")


def default_file() -> str:
    return folders.state() + "/log/k8s-extcap.log"


def start(file: str = "", level: str = "info") -> None:
    """All loggers to the file, warnings too. A log that cannot be opened must not stop a capture: then none is kept."""
    logging.raiseExceptions = False  # a full disk must not print on stderr
    root = logging.getLogger()
    try:
        if not file:
            folders.ensure(folders.state() + "/log")
        handler: logging.Handler = _Private(file or default_file(), maxBytes=SIZE, backupCount=1)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.handlers[:] = [handler]
    root.setLevel(getattr(logging, level.upper(), logging.INFO))
    logging.captureWarnings(capture=True)
    logging.getLogger("urllib3").setLevel(logging.INFO)
    sys.excepthook = _unexpected


def _unexpected(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """A bug of ours: the traceback goes to the log, one sentence to the user."""
    logging.getLogger("k8s_extcap").critical("unexpected", exc_info=(kind, error, trace))  # type: ignore[arg-type]
    text = f"k8s-extcap met an error it does not know ({kind.__name__}: {str(error)[:200]}). The log has the details: "
    os.write(2, (text + default_file() + "\n").encode("utf-8", "replace"))
