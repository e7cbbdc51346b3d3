"""`python -m testbed.truth.account FILE --sent FLOW=COUNT ... [--line TEXT]`: is every packet accounted for?

    sent = in the file + reported as dropped, by the kernel, the interface or the capture itself

What is reported is read from the file's own interface statistics blocks and from the command's last line, which must
agree. Shares no code with the product. Exit status 0: the account balances; 1: it does not, with the reasons.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from testbed.truth.files import Chunk, Notes, Told
from testbed.truth.ledger import Expected
from testbed.truth.oracle import Report, judge, stored


class Line(NamedTuple):
    """What the last line of `k8s-extcap capture` says. `lost` None: that it is not known."""

    packets: int
    lost: int | None


class Account(NamedTuple):
    """`sent` and `filed` count packets. Each drop is None where nothing in the file tells of it.

    `ours`: what came and the capture itself says that it has not written, "N packets came and were not written".
    `gaps`: interruptions of the stream that the file tells of; what was sent meanwhile nobody could count.
    """

    sent: int
    filed: int
    kernel: int | None
    interface: int | None
    ours: int
    gaps: tuple[str, ...]
    line: Line | None
    told: Mapping[int, Told]
    report: Report

    @property
    def dropped(self) -> int:
        return (self.kernel or 0) + (self.interface or 0) + self.ours

    @property
    def unaccounted(self) -> int:
        """Lost unseen; below 0: more were reported than were lost."""
        return self.sent - self.filed - self.dropped

    @property
    def faults(self) -> list[str]:
        """Why this capture is not in order; empty where it is. Packets that are reported as dropped are no fault."""
        said = [self.report.broken] if self.report.broken else []
        for number, flow in self.report.flows.items():
            wrong = {"duplicate": flow.duplicate, "reordered": flow.reordered, "damaged": flow.damaged}
            said += [f"flow {number}: {count} {what}" for what, count in wrong.items() if count]
        if self.kernel is None:
            said.append("the file has no statistics of the kernel's drops")
        if self.unaccounted < 0 or (self.unaccounted and not self.gaps):
            where = {n: f.missing_ranges[:3] for n, f in self.report.flows.items() if f.missing}
            said.append(
                f"{self.sent} sent, {self.filed} in the file, {self.dropped} reported as dropped: "
                f"{self.unaccounted} unaccounted {where or ''}".rstrip()
            )
        return said + _disagreements(self)


def _disagreements(account: Account) -> list[str]:
    delivered = _sum(told.delivered for told in account.told.values())
    said = []
    if delivered is not None and delivered != account.report.frames:
        said.append(f"the file says {delivered} packets delivered, and has {account.report.frames}")
    if account.line is None:
        return said
    if account.line.packets != account.report.frames:
        said.append(f"the last line says {account.line.packets} packets, the file has {account.report.frames}")
    if account.kernel is not None and account.line.lost != account.dropped:
        said.append(f"the last line says {account.line.lost} lost, the file {account.dropped}")
    return said


def account(
    capture: Path | Iterable[Chunk],
    sent: Mapping[int, int | None],
    said: str = "",
    *,
    counted: int | None = None,
    kernel: int | None = None,
) -> Account:
    """The account of one capture. `sent`: messages by flow, handed to the kernel a second before the stop or more; None
    where that is not known yet: then `sent` of the account is put right by who asks.

    `said`: the standard error of `k8s-extcap capture`, "" where there is none. `counted`: packets that the kernel
    counted on the way (over TCP a message is no packet); then the packets of the file are held against it, and the
    messages only where nothing was dropped. `kernel`: the kernel's drops as somebody else told them, where the file
    cannot (a pcap).
    """
    notes = Notes()
    chunks = stored(capture) if isinstance(capture, Path) else capture
    report = judge(chunks, {flow: Expected(sent=count) for flow, count in sent.items()}, notes=notes)
    total, filed = (
        sum(count or 0 for count in sent.values()),
        sum(f.expected - f.missing for f in report.flows.values()),
    )
    interface, told = _sum(t.if_dropped for t in notes.told.values()), _sum(t.os_dropped for t in notes.told.values())
    kernel = told if kernel is None else kernel
    lines = [line for told in notes.told.values() for text in told.comments for line in text.splitlines()]
    unwritten = [found for line in lines if (found := re.match(r"([\d,]+) packets? came and were not written", line))]
    gaps = tuple(line for line in lines if "not written" not in line)
    ours = sum(_number(found[1]) for found in unwritten)
    made = Account(total, filed, kernel, interface, ours, gaps, last_line(said), notes.told, report)
    if counted is not None and (made.dropped or filed == total):
        return made._replace(sent=counted, filed=report.frames)
    return made


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def last_line(said: str) -> Line | None:
    """The summary in the standard error of `k8s-extcap capture`; None where there is none."""
    for text in reversed(said.splitlines()):
        found = re.match(r"([\d,]+) packets, ", text)
        if found:
            lost = re.search(r"([\d,]+) (?:lost|dropped)", text)
            return Line(_number(found[1]), _number(lost[1]) if lost else None)
    return None


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _flow_count(text: str) -> tuple[int, int]:
    flow, _, count = text.partition("=")
    return int(flow), int(count)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.truth.account", description="Every packet accounted for?")
    parser.add_argument("file", type=Path)
    parser.add_argument("--sent", type=_flow_count, action="append", default=[], metavar="FLOW=COUNT", required=True)
    parser.add_argument("--line", default="", help="the command's last line")
    chosen = parser.parse_args(arguments)
    made = account(chosen.file, dict(chosen.sent), chosen.line)
    print(
        f"{made.sent} sent, {made.filed} in the file, dropped: kernel {made.kernel}, interface {made.interface}, "
        f"ourselves {made.ours}; {len(made.gaps)} gaps; {made.unaccounted} unaccounted"
    )
    for fault in made.faults:
        print(fault)
    return 1 if made.faults else 0


if __name__ == "__main__":
    sys.exit(main())
