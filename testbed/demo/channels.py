"""The remote-command protocol over WebSocket: channels, the status message, the choice of version.

The texts were compared with a real 1.36.3 server. With v4 the kubelet words the status; with v5 an API server (or,
since 1.36, the kubelet) that stands between client and runtime, which is why some texts come twice.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

V5, V4, V1 = "v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"
# The server's order of preference. A client that offers none gets the oldest protocol and an empty header.
_SUPPORTED = (V5, V4, V1)

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
# io.Copy's buffer in containerd and kubelet: the most that one message carries beside its channel byte.
FRAME = 32 * 1024

_INTERNAL = "Internal error occurred: "


def choose(offered: str) -> str | None:
    """The protocol for what the client offers (its header, comma separated); None refuses."""
    wanted = [name.strip() for name in offered.split(",") if name.strip()]
    if not wanted:
        return ""
    return next((name for name in _SUPPORTED if name in wanted), None)


def _dump(value: Any) -> bytes:
    """Go's encoding/json: `<`, `>` and `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()


def success(protocol: str) -> bytes:
    """Empty where the oldest protocol says nothing at all."""
    return _dump({"metadata": {}, "status": "Success"}) if protocol in (V5, V4) else b""


def exited(protocol: str, argv: tuple[str, ...], code: int) -> bytes:
    inner = (
        f"command terminated with exit code {code}"
        if protocol == V5
        else f"error executing command [{' '.join(argv)}], exit code {code}"
    )
    text = f"command terminated with non-zero exit code: {inner}"
    if protocol not in (V5, V4):
        return text.encode()
    details = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    reason = "NonZeroExitCode"
    return _dump({"metadata": {}, "status": "Failure", "message": text, "reason": reason, "details": details})


def not_started(protocol: str, error: str, *, containerd_1: bool) -> bytes:
    """The command could not be executed: the upgrade has succeeded all the same.

    containerd 1.x adds `: unknown`, the code of its gRPC error; 2.x no longer does.
    """
    inner = (
        "error executing command in container: failed to exec in container: failed to start exec"
        f' "{secrets.token_hex(32)}": OCI runtime exec failed: exec failed: {error}'
        f"{': unknown' if containerd_1 else ''}"
    )
    cause = f"{_INTERNAL if protocol == V5 else ''}{inner}"
    if protocol not in (V5, V4):
        return f"{_INTERNAL}{inner}".encode()
    return _dump(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"{_INTERNAL}{cause}",
            "reason": "InternalError",
            "details": {"causes": [{"message": cause}]},
            "code": 500,
        }
    )
