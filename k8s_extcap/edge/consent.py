"""The administrator's ceiling: a file of this machine that lowers, for everybody and for good, what a capture may use.

/etc/k8s-extcap/policy.toml     allow = "upload"     # resident, upload, ephemeral, nsenter or copy

Its place is no variable: what lowers a ceiling must not be moved by those below it.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from k8s_extcap.model.errors import ConfigError, UsageError
from k8s_extcap.model.request import METHODS, CaptureRequest, MethodName, footprint

POLICY = Path("/etc/k8s-extcap/policy.toml")


def ceiling(policy: Path = POLICY) -> MethodName | None:
    """The largest footprint that the administrator allows; None where there is no such file. ConfigError where it is
    not understood: then nothing is captured, since it was meant to forbid something.
    """
    try:
        allowed = tomllib.loads(policy.read_text(encoding="utf-8")).get("allow")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The administrator's {policy} cannot be read: {error}. Ask the administrator.") from error
    if allowed is None:
        return None
    for method in METHODS:
        if method == allowed:
            return method
    raise ConfigError(f"The administrator's {policy} allows {allowed!r}; one of {', '.join(METHODS)} is understood.")


def bounded(request: CaptureRequest, policy: Path = POLICY) -> CaptureRequest:
    """The request under the ceiling: `auto` stops there; a method that was named above it is a UsageError."""
    limit = ceiling(policy)
    if limit is None:
        return request
    named = "nsenter" if request.method == "auto" and request.target.kind == "node" else request.method
    if named != "auto" and footprint(named) > footprint(limit):
        raise UsageError(
            f"--method: {named} is not allowed on this machine. Its administrator allows up to {limit} ({policy})."
        )
    return replace(request, allow=min(request.allow, limit, key=footprint))
