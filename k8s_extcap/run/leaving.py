"""Ending the process although a thread of it still waits for a cluster that does not answer: Python would wait too."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

PATIENCE = 0.5  # seconds for threads that have nothing to do any more
_NAME = "k8s-extcap-asks"


def prepare() -> ThreadPoolExecutor:
    """Gives the running loop threads that `unless_idle` can tell from others."""
    threads = ThreadPoolExecutor(thread_name_prefix=_NAME)
    asyncio.get_running_loop().set_default_executor(threads)
    return threads


def unless_idle(threads: ThreadPoolExecutor, code: int) -> None:
    """Leaves with this exit code if one of these threads still waits. What it made is in the journal."""
    threads.shutdown(wait=False, cancel_futures=True)
    until = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread.name.startswith(_NAME):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                now(code)


def now(code: int) -> NoReturn:
    """The exit functions end the credential plugins that still run."""
    atexit._run_exitfuncs()  # noqa: SLF001 (there is no public way to run them and yet not wait for threads)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # nobody reads any more
    os._exit(code)
