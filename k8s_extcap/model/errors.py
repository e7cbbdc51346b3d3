"""Everything that can go wrong, as one tree; each leaf is a different thing for the user to do next.

    ExtcapError
     +- UsageError        the request: an option, an interface name, a capture filter
     +- ConfigError       kubeconfig, context, files of ours
     +- CredentialError   the credential plugin, or credentials the cluster does not accept
     +- ConnectError      the API server is not reached: name, network, TLS, proxy
     +- RefusedError      the API server answered no: permission, admission policy, quota
     +- TargetError       the pod, container or workload is not there, or cannot be captured
     +- MethodError       no way to capture is usable within what the user allowed
     +- RemoteError       the far side failed: tcpdump, upload, helper
     +- StreamError       the stream ended before the capture did
     +- OutputError       the FIFO or the file cannot be written

An error's text is a sentence: what happened, to which object, what to do next. Wireshark shows the first 1,024
bytes of stderr; 400 characters are read by people. The library's exception is chained as the cause and goes to
the log, never to the user.
"""

from __future__ import annotations

LIMIT = 400  # characters of one sentence; a dialog of four lines
REST = " (the log has the rest)"


def clip(text: str, limit: int = LIMIT) -> str:
    """The text on one line, control characters blanked (it may come from a pod), at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def fitted(text: str, limit: int) -> str:
    """As `clip`, for words of a cluster that are to be read verbatim: what is cut off is in the log, and so it says.
    Whoever asked for them has logged them whole.
    """
    short = clip(text, limit)
    return short if short == clip(text, len(text) + 1) else clip(text, limit - len(REST)) + REST


class ExtcapError(Exception):
    """A failure that is expected: shown as its sentence, without a traceback. `exit_code` is for the command line."""

    exit_code = 1

    def __init__(self, sentence: str) -> None:
        super().__init__(clip(sentence))

    @property
    def sentence(self) -> str:
        return str(self.args[0])


class UsageError(ExtcapError):
    exit_code = 2


class ConfigError(ExtcapError):
    exit_code = 3


class CredentialError(ExtcapError):
    exit_code = 4


class ConnectError(ExtcapError):
    exit_code = 5


class RefusedError(ExtcapError):
    """`status` is the HTTP status, `reason` the Status reason (`Forbidden`, `NotFound`, …), `server_text` verbatim;
    `retry_after` in seconds where the server asked for that pause, else 0; `continue_`: where an expired list goes on.
    """

    exit_code = 6

    def __init__(
        self,
        sentence: str,
        *,
        status: int = 0,
        reason: str = "",
        server_text: str = "",
        retry_after: float = 0.0,
        continue_: str = "",
    ) -> None:
        super().__init__(sentence)
        self.continue_ = continue_
        self.retry_after = retry_after
        self.status = status
        self.reason = reason
        self.server_text = server_text


class TargetError(ExtcapError):
    exit_code = 7


class MethodError(ExtcapError):
    exit_code = 8


class RemoteError(ExtcapError):
    exit_code = 9


class StreamError(ExtcapError):
    exit_code = 10


class OutputError(ExtcapError):
    exit_code = 11
