"""Start the sender and its sink, here or inside a namespace or a pod, and read what they say at their end."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from testbed import compiler


class Sent(NamedTuple):
    """What the sender says at its end: messages handed to the kernel, and the time that took."""

    flow: int
    protocol: str
    sent: int
    size: int
    seconds: float


class Received(NamedTuple):
    """What the sink says at its end."""

    datagrams: int
    foreign: int
    stream_bytes: int


class Flow(NamedTuple):
    """The sender's options; see sender.c. `messages` 0: until stopped. `stop` gets INT after the last message."""

    protocol: Literal["udp", "tcp"]
    host: str
    port: int = 9
    rate: int = 100
    messages: int = 0
    size: int = 200
    batch: int = 1
    number: int = 1
    stop: int | None = None

    def arguments(self) -> list[str]:
        words = [self.protocol, self.host, str(self.port)]
        pairs = {"-r": self.rate, "-n": self.messages, "-s": self.size, "-b": self.batch, "-f": self.number}
        if self.stop is not None:
            pairs["-k"] = self.stop
        return words + [word for option, value in pairs.items() for word in (option, str(value))]


def sender() -> Path:
    """The sender (see sender.c) as one static file, which also runs in an image of nothing else."""
    return compiler.static(Path(__file__).with_name("sender.c"))


class Running:
    """A sender at work."""

    def __init__(self, flow: Flow, inside: Sequence[str] = (), program: str | None = None) -> None:
        command = [*inside, program or str(sender()), *flow.arguments()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait(self) -> Sent:
        said, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise OSError(f"the sender ended with {self.process.returncode}")
        return Sent(**json.loads(said))

    def stop(self) -> Sent:
        self.process.send_signal(signal.SIGINT)
        return self.wait()


def send(flow: Flow, inside: Sequence[str] = ()) -> Sent:
    """Send `flow.messages` messages and wait for it."""
    return Running(flow, inside).wait()


class Sink:
    """A listening sink; `result` is there once its block has been left."""

    def __init__(self) -> None:
        self.result: Received | None = None


@contextlib.contextmanager
def sink(port: int = 9, inside: Sequence[str] = ()) -> Iterator[Sink]:
    """Both sockets listen when the block is entered."""
    command = [*inside, str(sender()), "receive", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        if "listening" not in (line := process.stderr.readline()):
            raise OSError(f"the sink does not listen: {line.strip()}")
        made = Sink()
        try:
            yield made
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate()
            made.result = Received(**json.loads(said)) if said else None
