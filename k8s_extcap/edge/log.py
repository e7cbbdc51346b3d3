"""The log: a file of ours, never stderr, because any text there becomes an error dialog. Nothing logs a token."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import Any

from k8s_extcap.edge import folders
from k8s_extcap.model.errors import clip

SIZE = 1 << 20  # bytes of one file; one older one is kept
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


class _Plain(logging.Formatter):
    """What a pod or a cluster said may stand in a message: nothing of it moves a cursor or begins a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (its name in `logging`)
        return _visible(super().formatMessage(record)).replace("\n", "\\n")

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _visible(super().formatException(ei))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


class _Private(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace")


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
    handler.setFormatter(_Plain(_FORMAT))
    root.handlers[:] = [handler]
    root.setLevel(logging.getLevelNamesMapping().get(level.upper(), logging.INFO))
    logging.captureWarnings(capture=True)
    logging.getLogger("urllib3").setLevel(logging.INFO)
    sys.excepthook = _unexpected


def _unexpected(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """A bug of ours: the traceback goes to the log, one sentence to the user."""
    logging.getLogger("k8s_extcap").critical("unexpected", exc_info=(kind, error, trace))  # type: ignore[arg-type]
    what = f"{kind.__name__}: {clip(str(error), 200)}"
    text = f"k8s-extcap met an error it does not know ({what}). The log has the details: {default_file()}\n"
    os.write(2, text.encode("utf-8", "replace"))
