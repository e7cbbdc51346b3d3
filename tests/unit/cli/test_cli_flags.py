"""The option table as flags: each option once, its value handed on as it was written."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from k8s_extcap.cli.capture import amount
from k8s_extcap.cli.flags import FLAGS, SHORT, with_options
from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark.options import OPTIONS
from k8s_extcap.wireshark.request import to_request


def run(*argv: str) -> dict[str, str]:
    got: list[dict[str, str]] = []

    def command(values: dict[str, str]) -> None:
        got.append(values)

    app = typer.Typer()
    app.command()(with_options(command))
    done = CliRunner().invoke(app, list(argv))
    assert done.exit_code == 0, done.output
    (values,) = got
    return values


def test_every_option_but_the_dialogs_own_is_a_flag() -> None:
    assert {o.call for o in OPTIONS} - {o.call for o in FLAGS} == {"target", "kind", "name", "remember"}


def test_nothing_written_is_nothing_said() -> None:
    assert run() == {}


@pytest.mark.parametrize("option", FLAGS, ids=[o.call for o in FLAGS])
def test_what_is_written_is_handed_on(option: object) -> None:
    option_ = next(o for o in FLAGS if o is option)
    if option_.kind == "switch":
        assert run(option_.flag) == {option_.call: "true"}
    else:
        assert run(option_.flag, "a b;$(c)") == {option_.call: "a b;$(c)"}


def test_the_table_accepts_its_own_defaults_from_here() -> None:
    argv = [word for o in FLAGS if o.kind not in ("switch", "pick") and o.default for word in (o.flag, o.default)]
    assert to_request(Name("pod", "a", "b"), run(*argv)) == to_request(Name("pod", "a", "b"), {})


def test_short_forms_are_as_elsewhere() -> None:
    assert run("-f", "tcp", "-n", "shop", "-s", "96") == {"filter": "tcp", "namespace": "shop", "snaplen": "96"}
    assert len(set(SHORT.values())) == len(SHORT)


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2_340_000_000, "2.34 GB")],
)
def test_amounts(octets: int, text: str) -> None:
    assert amount(octets) == text
