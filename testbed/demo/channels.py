"""The remote-command protocol over WebSocket: channels, the status message, the choice of version."""

from __future__ import annotations

from typing import Any

from testbed.demo.store import dump

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
# The server's order of preference; `""` stands for a client that offers none and gets an empty header back.
_SUPPORTED = (V5, V4, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
# io.Copy's buffer in containerd and kubelet: the most that one message carries beside its channel byte.
FRAME = 32 * 1024


def choose(offered: str) -> str | None:
    """The protocol for what the client offers (its header, comma separated); None refuses."""
    wanted = [name.strip() for name in offered.split(",") if name.strip()]
    if not wanted:
        return ""
    return next((name for name in _SUPPORTED if name in wanted), None)


def success() -> bytes:
    return dump({"metadata": {}, "status": "Success"})


def exited(code: int) -> bytes:
    return _failure(
        f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "NonZeroExitCode",
        {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    )


def not_started(error: str) -> bytes:
    """The command could not be executed: the upgrade has succeeded all the same."""
    message = f"Internal error occurred: error executing command in container: {error}"
    return dump(
        {
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": "InternalError",
            "details": {"causes": [{"message": message.removeprefix("Internal error occurred: ")}]},
            "code": 500,
        }
    )


def _failure(message: str, reason: str, details: dict[str, Any]) -> bytes:
    return dump({"metadata": {}, "status": "Failure", "message": message, "reason": reason, "details": details})
