"""The capture lane: what Wireshark starts with `--capture`. Silence on success, one sentence on stderr otherwise; one
too where packets are missing in the capture, since nobody would know.

First the FIFO, then the heavy imports, then the cluster: the host waits for the FIFO (4.0 for ever), and a capture
that fails must have opened it all the same.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys

from k8s_extcap.edge import log
from k8s_extcap.edge.fifo import Sink, open_fifo
from k8s_extcap.model.errors import ExtcapError, UsageError, clip
from k8s_extcap.run.stop import Stop, StoppedError, or_stop, watch_parent, watch_signals
from k8s_extcap.version import VERSION
from k8s_extcap.wireshark import argv as arguments
from k8s_extcap.wireshark.options import BY_CALL

_log = logging.getLogger(__name__)

SHOWN = 1000  # bytes of stderr; Wireshark shows the first 1,024


def main(argv: list[str]) -> int:
    """Runs one capture for the host. The exit code is for people who read logs: the host ignores it."""
    invocation = arguments.parse(argv, frozenset(BY_CALL))
    log.start(invocation.values.get("log-file", ""), invocation.values.get("log-level", "") or "info")
    code = asyncio.new_event_loop().run_until_complete(_lane(invocation))
    # A thread that still waits for a cluster would hold the process; what it made is in the journal. The exit
    # functions end the credential plugins that still run.
    atexit._run_exitfuncs()  # noqa: SLF001 (there is no public way to run them and yet not wait for threads)
    logging.shutdown()
    os._exit(code)


async def _lane(invocation: arguments.Invocation) -> int:
    stop = Stop()
    watch_signals(stop)
    parent = asyncio.create_task(watch_parent(stop))
    sink: Sink | None = None
    try:
        if not invocation.fifo:
            raise UsageError("A capture needs --fifo, which Wireshark passes; people use 'k8s-extcap capture'.")
        sink = await or_stop(open_fifo(invocation.fifo), stop)
        await _capture(invocation, sink, stop)
    except StoppedError:
        _log.info("stopped before the FIFO had a reader: %s", stop.reason)
    except ExtcapError as error:
        _log.error("%s", error, exc_info=error)
        _begin(sink)
        say(error.sentence)
        return error.exit_code
    except Exception as error:
        _log.critical("unexpected", exc_info=error)
        _begin(sink)
        say(
            f"k8s-extcap met an error it does not know ({type(error).__name__}: {error}). The log has the details: "
            f"{log.default_file()}"
        )
        return 70  # EX_SOFTWARE of sysexits.h
    finally:
        parent.cancel()
        if sink is not None:
            sink.close()
    return 0


async def _capture(invocation: arguments.Invocation, sink: Sink, stop: Stop) -> None:
    # The heavy half, imported when the FIFO is open.
    from k8s_extcap.run import asked, capture

    wanted = asked.from_invocation(invocation)
    watch = capture.Watch(on_session=wanted.verify, on_target=wanted.remember)
    report = await capture.capture(wanted.request, sink, stop, watch)
    if report.warning():
        say(report.warning())


def _begin(sink: Sink | None) -> None:
    """A host that read nothing at all reports that as well, without words: then it gets an empty capture."""
    if sink is not None and not sink.used:
        from k8s_extcap.wire import blocks

        sink.put(blocks.section(f"k8s-extcap {VERSION}", ""))


def say(sentence: str) -> None:
    """To the host's error dialog. stderr may be gone with a crashed host."""
    try:
        os.write(2, clip(sentence, SHOWN).encode("utf-8", "replace")[:SHOWN] + b"\n")
    except OSError:
        _log.info("nobody reads stderr")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
