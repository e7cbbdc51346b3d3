"""`k8s-extcap capture`: the same engine as under Wireshark, into a file or a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from k8s_extcap.cli import planning
from k8s_extcap.cli.console import err, say, show
from k8s_extcap.cli.flags import with_options
from k8s_extcap.edge import consent, log
from k8s_extcap.edge.allowed import OPTION
from k8s_extcap.model.errors import OutputError, UsageError
from k8s_extcap.model.plan import Plan
from k8s_extcap.model.report import Counters, Report
from k8s_extcap.model.request import CaptureRequest
from k8s_extcap.wireshark import target as targets
from k8s_extcap.wireshark.request import log_of, to_request

BEAT = 0.5  # seconds between two looks at the counters: as often as they are counted


def capture(
    values: dict[str, str],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"{targets.GRAMMAR}, or an interface name.")],
    write: Annotated[
        str, typer.Option("--write", "-w", metavar="FILE", help="Capture file; - is standard output.")
    ] = "-",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the target, print what would be done, and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress line and no summary.")] = False,
) -> None:
    """Capture packets of a pod, workload, Service or node until Ctrl+C or a limit.

    For example:

        k8s-extcap capture shop/web-7d9f8b6c5-x2x4z -w web.pcapng

        k8s-extcap capture deploy/shop/web --limit-time 30s -f 'tcp port 80' -w - | tshark -r -
    """
    name = targets.parse(target, values.get("namespace", ""))
    if name.alias and "context" not in values:
        from k8s_extcap.cli.naming import context_of

        values = {**values, "context": context_of(name.alias, values.get("kubeconfig", ""))}
    if OPTION not in values:
        from k8s_extcap.run.allowing import confirmed

        allowed = confirmed(values.get("context", ""), values.get("kubeconfig", ""))
        values = {OPTION: allowed, **values} if allowed else values
    request = consent.bounded(to_request(name, values))
    level, file = log_of(values)
    log.start(file, level)
    if dry_run:
        asyncio.run(_plan(request))
        return
    if write == "-" and sys.stdout.isatty():
        raise UsageError(
            "Packets are no text for a terminal. Name a file with -w FILE, or pipe them: … -w - | tshark -r -"
        )
    asyncio.run(_whole(request, write, quiet=quiet))


async def _whole(request: CaptureRequest, write: str, *, quiet: bool) -> None:
    from k8s_extcap.run import leaving

    threads = leaving.prepare()
    report = await _capture(request, write, quiet=quiet)
    for sentence in (*report.leftover, report.warning()):
        if sentence:
            say(sentence)
    if not quiet:
        say(summary(report))
    leaving.unless_idle(threads, 0)


async def _capture(request: CaptureRequest, write: str, *, quiet: bool) -> Report:
    # The heavy half: help and mistakes are answered without it.
    from k8s_extcap.edge.fifo import open_output, standard_output
    from k8s_extcap.run.capture import Watch
    from k8s_extcap.run.capture import capture as run
    from k8s_extcap.run.stop import Stop, watch_signals

    stop = Stop()
    watch_signals(stop, nohup=True)
    if write != "-" and os.path.isdir(write):  # noqa: PTH112  (one stat before anything runs)
        raise OutputError(f"{write} is a folder. Name the capture file in it.")
    sink = standard_output() if write == "-" else await open_output(write)
    watch = Watch()
    if not quiet:
        watch.on_plan = lambda plan, note: say(planned(plan, note))
        watch.on_cut = say
    progress = None if quiet or not err.is_terminal else asyncio.create_task(_progress(watch.counters))
    try:
        return await run(request, sink, stop, watch)
    finally:
        if progress:
            progress.cancel()
            await asyncio.gather(progress, return_exceptions=True)
        sink.close()


class _PlannedError(Exception):
    """Leaves the capture when its plan is made and nothing is done yet."""


async def _plan(request: CaptureRequest) -> None:
    from k8s_extcap.edge.fifo import open_fifo
    from k8s_extcap.run import leaving
    from k8s_extcap.run.capture import Watch
    from k8s_extcap.run.capture import capture as run
    from k8s_extcap.run.stop import Stop, watch_signals

    def show_plan(plan: Plan, note: str) -> None:
        for text in planning.lines(plan, note):
            show(text)
        raise _PlannedError

    stop = Stop()
    watch_signals(stop)
    threads = leaving.prepare()
    sink = await open_fifo(os.devnull)
    try:
        await run(request, sink, stop, Watch(on_plan=show_plan))
    except _PlannedError:
        pass
    finally:
        sink.close()
    leaving.unless_idle(threads, 0)


async def _progress(counters: Counters) -> None:
    before = 0
    with Live(Text(""), console=err, transient=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(BEAT)
            now = counters.sum.bytes
            live.update(Text(line(counters, (now - before) / BEAT)), refresh=True)
            before = now


def planned(plan: Plan, note: str) -> str:
    """What is done, why, and what stays, before the first packet."""
    stays = "" if plan.leaves == "nothing" else f" Stays afterwards: {plan.leaves}."
    return " ".join(part for part in (note, plan.why) if part) + stays


def line(counters: Counters, rate: float) -> str:
    """Packets, bytes, rate, drops, interruptions."""
    told = counters.sum
    dropped = "" if told.dropped is None else f", {told.dropped:,} dropped"
    gaps = f", {counters.gaps} interruptions" if counters.gaps else ""
    return f"{told.packets:,} packets, {amount(told.bytes)}, {amount(rate)}/s{dropped}{gaps}"


def summary(report: Report) -> str:
    """The last line: what is in the file, what tcpdump saw, what was lost."""
    told = report.sum
    seen = "" if told.received is None else f", {told.received:,} seen"
    lost = "unknown how many were lost" if told.dropped is None else f"{told.lost:,} lost"
    why = f" (ended by: {report.ended_by})" if report.ended_by else ""
    return f"{told.packets:,} packets, {amount(told.bytes)} in {report.seconds:.1f} s{seen}, {lost}{why}"


def amount(octets: float) -> str:
    for unit in ("B", "kB", "MB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.2f} GB"


def register(app: typer.Typer) -> None:
    app.command("capture")(with_options(capture))
