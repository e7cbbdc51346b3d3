"""The one failure that the bed expects: a sentence that says what happened, to what, and what to do next."""

from __future__ import annotations


class BedError(Exception):
    """Shown as its sentence, without a traceback."""
