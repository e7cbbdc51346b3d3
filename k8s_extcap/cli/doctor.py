"""`k8s-extcap doctor`: what works, what does not, what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from k8s_extcap.cli.console import out, plain, show_json
from k8s_extcap.model.request import Connection

_MARKS = {"good": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("FAIL", "bold red")}


def doctor(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Whose permissions are looked at.")] = "",
    context: Annotated[str, typer.Option("--context", help="Instead of the current context.")] = "",
    kubeconfig: Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="Instead of the usual one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Look at everything a capture needs: Wireshark, its folders, the launcher, the cluster, your permissions.

    Changes nothing. What is missing in the cluster is printed as a Role to ask for. Ends with 1 if something fails.
    """
    from k8s_extcap.setup.doctor import Finding, examine

    findings: list[Finding] = []
    for finding in examine(Connection(kubeconfig=kubeconfig, context=context), namespace):
        findings.append(finding)
        if not as_json:
            _print(finding.topic, finding.state, finding.sentence, finding.advice, finding.yaml)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


def _print(topic: str, state: str, sentence: str, advice: str, yaml: str) -> None:
    mark, style = _MARKS[state]
    out.print(Text.assemble((mark, style), "  ", (topic, "bold"), ": ", plain(sentence)))
    if advice:
        out.print(Text(f"      -> {plain(advice)}"))
    if yaml:
        out.print(Text("".join(f"         {line}\n" for line in yaml.splitlines()), end=""))


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
