"""The option table's values -> CaptureRequest: the one place where they are parsed and judged.

Every UsageError names the option as it is called, the value, and what is accepted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from k8s_extcap.model.errors import UsageError
from k8s_extcap.model.ids import Name
from k8s_extcap.model.request import CaptureRequest, Connection, Helper, Limits, MethodName
from k8s_extcap.wireshark import target, units
from k8s_extcap.wireshark.option import Option, unset
from k8s_extcap.wireshark.options import BY_CALL, OPTIONS

FILTER_LIMIT = 16 * 1024  # bytes; what the far side compiles before packets flow
NIC_LIMIT = 15  # IFNAMSIZ - 1, include/uapi/linux/if.h
BUFFER_KIB = (64, 1024 * 1024)  # below, a block of the ring does not fit; above, no pod has it to spare
RATE_LEAST = 10_000  # bytes/s; below, a stream of full-size packets stalls for longer than the guard's lease


class _Values:
    """What was given, by call; what was not, or says nothing, is the table's default."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = {o.call: given[o.call].strip() for o in OPTIONS if o.call in given}

    def text(self, call: str) -> str:
        """Empty where nobody chose, or `none` was written. A line end would end a sentence, a label or a header."""
        option = BY_CALL[call]
        value = self._given.get(call) or option.default
        if unset(option, value):
            return ""
        if not value.isprintable():
            raise UsageError(f"{option.flag}: {value[:80]!r} has characters that cannot be printed. Remove them.")
        return value

    def choice(self, call: str) -> str:
        option = BY_CALL[call]
        value = (self.text(call) or option.default).lower()
        accepted = [value for value, _ in option.choices]
        if value not in accepted:
            raise UsageError(f"{option.flag}: {value[:80]!r} is not accepted; one of {', '.join(accepted)} is.")
        return value

    def switch(self, call: str) -> bool:
        option = BY_CALL[call]
        value = (self.text(call) or option.default).lower()
        if value not in _YES and value not in _NO:
            raise UsageError(f"{option.flag}: {value[:80]!r} is not accepted; true or false is.")
        return value in _YES

    def whole(self, call: str) -> int:
        option = BY_CALL[call]
        low, high = _range(option)
        return units.whole(option.flag, self.text(call) or option.default, low, high)

    def seconds(self, call: str) -> float:
        option = BY_CALL[call]
        text = self.text(call) or option.default
        value = units.seconds(option.flag, text)
        low, high = _range(option)
        if not low <= value <= high:
            raise UsageError(f"{option.flag}: {text[:80]!r} is not accepted; {low} to {high} seconds are.")
        return value

    def absolute(self, call: str) -> str:
        value = self.text(call)
        if value and not value.startswith("/"):
            raise UsageError(
                f"{BY_CALL[call].flag}: {value[:80]!r} is not accepted; a path from the root, such as /tmp, is."
            )
        return value


_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")


def _range(option: Option) -> tuple[int, int]:
    low, _, high = option.range.partition(",")
    return int(low), int(high)


def to_request(name: Name, values: dict[str, str], filter: str = "") -> CaptureRequest:  # noqa: A002  the host's word
    """The request for interface `name` with option values by call (without dashes). `filter` is the host's own capture
    filter; the option of that name counts where it is empty. Of a browse interface the target is what was chosen, its
    namespace empty where that is the context's (see `settle`).
    """
    given = _Values(values)
    chosen, context = _target(name, given)
    packet_filter = filter.strip() or given.text("filter")
    if len(packet_filter.encode("utf-8", "replace")) > FILTER_LIMIT:
        raise UsageError(f"The capture filter has more than {FILTER_LIMIT} bytes. Shorten it.")
    if not all(c.isprintable() or c.isspace() for c in packet_filter) or "\0" in packet_filter:
        raise UsageError("The capture filter has characters that cannot be printed. Type it again.")
    return CaptureRequest(
        target=chosen,
        container=chosen.container or target.checked(Name("pod", container=given.text("container"))).container,
        interface=_nic(given.text("nic")),
        filter=packet_filter,
        snaplen=given.whole("snaplen"),
        promiscuous=given.switch("promiscuous"),
        buffer_kib=_buffer(given.text("buffer")),
        limits=_limits(given),
        method=cast("MethodName | Literal['auto']", given.choice("method")),
        allow=cast("MethodName", given.choice("allow")),
        helper=_helper(given),
        upload_folder=given.absolute("upload-folder").rstrip("/"),
        tcpdump=given.absolute("tcpdump"),
        print_mode=not given.switch("no-print"),
        service_labels=given.switch("service-labels"),
        announce=not given.switch("no-events"),
        output=cast("Literal['pcapng', 'pcap']", given.choice("output")),
        comment=given.text("comment"),
        metadata=tuple(what for what in ("who", "where", "labels") if given.switch(f"add-{what}")),
        connection=_connection(given, context),
    )


def settle(request: CaptureRequest, namespace: str) -> CaptureRequest:
    """The request with the namespace of its context, once that is known, where the user named none."""
    name = request.target
    if name.namespace or name.kind == "node":
        return request
    return replace(request, target=Name(name.kind, namespace, name.name, name.container, name.alias, name.digest))


def connection_of(values: dict[str, str]) -> Connection:
    """Only the connection: for questions that come before there is a target."""
    given = _Values(values)
    return _connection(given, given.text("context"))


def _connection(given: _Values, context: str) -> Connection:
    return Connection(
        kubeconfig=given.text("kubeconfig"),
        context=context,
        proxy=_proxy(given.text("proxy")),
        timeout=given.seconds("timeout"),
        wait=given.seconds("wait"),
        reconnect=given.seconds("reconnect"),
    )


def log_of(values: dict[str, str]) -> tuple[str, str]:
    """Log level and log file (empty: our own) of a capture."""
    given = _Values(values)
    return given.choice("log-level"), given.text("log-file")


def _target(name: Name, given: _Values) -> tuple[Name, str]:
    context = given.text("context")
    if name.kind != "browse":
        return target.checked(name), context
    namespace, text = given.text("namespace"), given.text("target")
    if text:
        return target.parse(text, namespace), context
    kind, chosen = given.choice("kind"), given.text("name")
    if kind == "ns":
        namespace = chosen or namespace
        chosen = namespace
    if not chosen:
        raise UsageError(
            "Nothing is chosen to capture. Open the options of this interface (the gear), write a target such as "
            f"NAMESPACE/POD, or press Reload beside {BY_CALL['name'].display} and choose one."
        )
    if kind == "node":
        return target.checked(Name("node", name=chosen)), context
    if kind == "ns":
        return target.checked(Name("ns", namespace)), context
    return target.checked(Name(kind, namespace, chosen)), context


def _nic(text: str) -> str:
    bad = set("/ \t:") & set(text)
    if len(text.encode()) > NIC_LIMIT or bad or text.startswith("-"):
        raise UsageError(
            f"--nic: {text[:80]!r} cannot be a network interface; a name such as eth0, at most {NIC_LIMIT} bytes, is."
        )
    return text


def _buffer(text: str) -> int:
    if not text or text == "0":
        return 0
    kib = units.size("--buffer", text) // 1024
    low, high = BUFFER_KIB
    if not low <= kib <= high:
        raise UsageError(f"--buffer: {text[:80]!r} is not accepted; {low} KiB to {high // 1024} MiB are.")
    return kib


def _limits(given: _Values) -> Limits:
    size, time, rate = given.text("limit-bytes"), given.text("limit-time"), given.text("limit-rate")
    ceiling = units.size("--limit-rate", rate) if rate else 0
    if 0 < ceiling < RATE_LEAST:
        raise UsageError(f"--limit-rate: {rate[:80]!r} is not accepted; {RATE_LEAST // 1000} kB or more, or none, are.")
    return Limits(
        packets=given.whole("limit-packets"),
        bytes=units.size("--limit-bytes", size) if size else 0,
        seconds=units.seconds("--limit-time", time) if time else 0.0,
        rate=ceiling,
    )


def _helper(given: _Values) -> Helper:
    image = given.text("helper-image")
    if len(image.split()) > 1:
        raise UsageError(f"--helper-image: {image[:80]!r} is no image. Accepted: registry/name:tag or name@sha256:….")
    return Helper(
        image=image,
        pull_secret=_named(given, "pull-secret"),
        namespace=target.checked(Name("ns", given.text("helper-namespace"))).namespace,
        service_account=_named(given, "service-account"),
        tolerations=given.choice("tolerations"),
        labels=_labels(given.text("helper-labels")),
        privileged=given.switch("privileged"),
    )


def _named(given: _Values, call: str) -> str:
    return target.checked(Name("pod", name=given.text(call))).name


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in text.split(",") if text else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        letters = all(c.isascii() and (c.isalnum() or c in "-_./") for c in key + value)
        if not equals or not key or not letters or "/" in value or len(value) > 63:
            raise UsageError(f"--helper-labels: {part.strip()[:80]!r} is no label. Accepted: key=value,key=value.")
        pairs.append((key, value))
    return tuple(pairs)


def _proxy(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if text and (not mark or scheme.lower() not in ("http", "https") or not rest or " " in text):
        raise UsageError("--proxy: the value is no proxy address. Accepted: http://HOST:PORT or https://HOST:PORT.")
    return text
