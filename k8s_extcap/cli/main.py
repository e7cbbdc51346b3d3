"""`k8s-extcap`: the commands, and the one door through which their failures leave as a sentence and an exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import typer

from k8s_extcap.cli import (
    allow,
    capture,
    cleanup,
    doctor,
    favourite,
    install,
    listing,
    name,
    options,
    refresh,
    uninstall,
)
from k8s_extcap.cli.console import say
from k8s_extcap.edge import log
from k8s_extcap.model.errors import ExtcapError
from k8s_extcap.version import VERSION

_log = logging.getLogger(__name__)

HELP = """
Capture the packets of a Kubernetes pod, in Wireshark or without it. Nothing is installed in the cluster and nothing
keeps running there.

First `k8s-extcap install`, then pods are interfaces in Wireshark: start it, or `tshark -i k8s-pod-NAMESPACE.POD`.
"""
INTERRUPTED = 130  # 128 and SIGINT, as shells have it


def _version(wanted: bool) -> None:
    if wanted:
        print(f"k8s-extcap {VERSION}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    del version


def _app() -> typer.Typer:
    app = typer.Typer(
        name="k8s-extcap",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    every = (install, uninstall, listing, name, capture, allow, doctor, options, refresh, favourite, cleanup)
    for module in every:
        module.register(app)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0, that of `model.errors`, or 2 for a command line that is none."""
    log.start()
    try:
        _app()(args=list(sys.argv[1:] if argv is None else argv), prog_name="k8s-extcap")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except ExtcapError as error:
        _log.error("%s", error, exc_info=error)
        say(error.sentence)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # `k8s-extcap list | head`
    except Exception as error:
        _log.critical("unexpected", exc_info=error)
        say(f"k8s-extcap met an error it does not know ({type(error).__name__}: {error}). See {log.default_file()}")
        return 70  # EX_SOFTWARE of sysexits.h
    return 0
