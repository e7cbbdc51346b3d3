"""The exec that captures inside a container, the last thing that the methods beside the application have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from k8s_extcap.methods import guard, nics, own_stream, tcpdump
from k8s_extcap.model.plan import ExecSpec, Facts, Target, Upload
from k8s_extcap.model.request import CaptureRequest


@dataclass(frozen=True, slots=True)
class Program:
    """What is run where. `file`: uploaded before it runs, None for one that is there; `kib`: its ring."""

    container: str
    path: str
    kib: int
    file: Upload | None = None
    mode: str = "ours"
    drop_to_root: bool = False
    pod: str = ""  # another than the target's


def exec_of(
    request: CaptureRequest, target: Target, facts: Facts, program: Program, present: Sequence[str], note: str = ""
) -> tuple[ExecSpec, str]:
    """The exec, and what to know about it: `note`, which interface of those `present` was chosen, what is left out."""
    host = target.pod.spec.host_network
    asked = own_stream.leave_out(request, facts) if host else request
    choice = nics.choose(asked, present, host_network=host)
    run = tcpdump.line(
        replace(asked, buffer_kib=program.kib),
        program.path,
        mode=program.mode,
        nic=choice.nic,
        buffer_kib=program.kib,
        drop_to_root=program.drop_to_root,
    )
    files = (program.file,) if program.file else ()
    spec = ExecSpec(
        namespace=target.namespace,
        pod=program.pod or target.name,
        container=program.container,
        command=guard.wrap(run.argv, files, tail=run.tail),
        uploads=files,
        settle=run.settle,
        tail=run.tail,
        nic=choice.nic,
    )
    return spec, "; ".join(n for n in (note, choice.sentence, own_stream.sentence(facts) if host else "") if n)
